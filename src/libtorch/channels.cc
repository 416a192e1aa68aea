// Operations on states [batch, row, column, channel] with hand-written gradients, because libtorch's own gradients pass over memory
// several more times. While tracing they consist of libtorch's operations, because an exported module has no others.
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

// sum_k a[:, i, k] * b[:, k, j] for each channel. On a CPU, sums of outer products are faster than batched products of small
// matrices. A GPU computes all terms at once, because its time grows with the number of kernels.
at::Tensor products(const at::Tensor& a, const at::Tensor& b) {
  if (a.is_cuda()) return (a.unsqueeze(3) * b.unsqueeze(1)).sum(2);
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

// x / max(rms(x), least), with the root mean square over `dims`.
struct Norm : torch::autograd::Function<Norm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const std::vector<int64_t>& dims, double least) {
    const auto rms = x.square().mean(dims, /*keepdim=*/true).sqrt_().clamp_min_(least);
    auto y = x / rms;
    context->save_for_backward({y, rms});
    context->saved_data["dims"] = dims;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &y = saved[0], &rms = saved[1], &gradient = gradients[0];
    const auto along = (gradient * y).mean(context->saved_data["dims"].toIntVector(), /*keepdim=*/true);
    return {at::addcmul(gradient, y, along, -1).div_(rms), at::Tensor(), at::Tensor()};
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

char* laformer_channel_norm(at::Tensor* x, bool over_channels, double least, at::Tensor** norm) {
  return guarded([&] {
    const auto dims = over_channels ? std::vector<int64_t>{1, 2, 3} : std::vector<int64_t>{1, 2};
    if (torch::jit::tracer::isTracing()) {
      *norm = new at::Tensor(*x / x->square().mean(dims, /*keepdim=*/true).sqrt().clamp_min(least));
    } else if (x->is_cuda() && over_channels) {
      // One kernel per pass. It adds least^2 to the mean square, which matters only for states near zero.
      *norm = new at::Tensor(std::get<0>(at::_fused_rms_norm(*x, x->sizes().slice(1), {}, least * least)));
    } else {
      *norm = new at::Tensor(Norm::apply(*x, dims, least));
    }
  });
}
