// Operations on states [batch, row, column, channel] whose gradients are written out: libtorch's own formulas pass over memory several
// times more. In a trace they are made of libtorch's operations, because an exported module knows no others.
#include "bridge.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include <vector>

#include "guard.h"

using laformer::guarded;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// sum_k a[:, i, k] * b[:, k, j], one channel at a time. Sums of outer products are faster than batched products of small matrices.
at::Tensor products(const at::Tensor& a, const at::Tensor& b) {
  const auto left = [&](int64_t k) { return a.select(2, k).unsqueeze(2); };
  const auto right = [&](int64_t k) { return b.select(1, k).unsqueeze(1); };
  auto sum = left(0) * right(0);
  for (int64_t k = 1; k < a.size(2); ++k) sum.addcmul_(left(k), right(k));
  return sum;
}

struct Product : torch::autograd::Function<Product> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& a, const at::Tensor& b) {
    context->save_for_backward({a, b});
    return products(a, b);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &a = saved[0], &b = saved[1], &gradient = gradients[0];
    return {products(gradient, b.transpose(1, 2)), products(a.transpose(1, 2), gradient)};
  }
};

// x / rms(x) * weight, with the root mean square over `dims`.
struct Norm : torch::autograd::Function<Norm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::vector<int64_t>& dims, double epsilon) {
    const auto scale = x.square().mean(dims, /*keepdim=*/true).add_(epsilon).rsqrt_();
    context->save_for_backward({x, weight, scale});
    context->saved_data["dims"] = dims;
    return x * (scale * weight);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &scale = saved[2], &gradient = gradients[0];
    const auto dims = context->saved_data["dims"].toIntVector();
    int64_t count = 1;
    for (const auto dim : dims) count *= x.size(dim);
    const auto matrices = (gradient * x).sum({1, 2}, /*keepdim=*/true);  // [batch, 1, 1, channels]
    // One scale for all channels sums over them, too.
    auto shared = matrices * weight;
    if (dims.size() == 3) shared = shared.sum(3, /*keepdim=*/true);
    const auto pull = shared * scale.pow(3) / static_cast<double>(count);
    auto gradient_x = gradient * (scale * weight);
    gradient_x.addcmul_(x, pull, -1);
    return {gradient_x, (matrices * scale).sum({0, 1, 2}), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

char* laformer_channel_product(at::Tensor* a, at::Tensor* b, at::Tensor** product) {
  return guarded([&] {
    if (torch::jit::tracer::isTracing()) {
      const auto left = a->permute({0, 3, 1, 2}), right = b->permute({0, 3, 1, 2});
      *product = new at::Tensor(left.matmul(right).permute({0, 2, 3, 1}));
    } else {
      *product = new at::Tensor(Product::apply(*a, *b));
    }
  });
}

char* laformer_channel_norm(at::Tensor* x, at::Tensor* weight, bool over_channels, double epsilon, at::Tensor** norm) {
  return guarded([&] {
    const auto dims = over_channels ? std::vector<int64_t>{1, 2, 3} : std::vector<int64_t>{1, 2};
    if (torch::jit::tracer::isTracing()) {
      const auto scale = x->square().mean(dims, /*keepdim=*/true).add(epsilon).rsqrt();
      *norm = new at::Tensor(*x * (scale * *weight));
    } else {
      *norm = new at::Tensor(Norm::apply(*x, *weight, dims, epsilon));
    }
  });
}
