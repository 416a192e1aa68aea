// Runtime settings and the parts of an optimizer step.
#include "bridge.h"

#include <ATen/core/Tensor.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <torch/version.h>

#include <cstdlib>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "guard.h"

using laformer::copied;
using laformer::guarded;

namespace {

std::vector<at::Tensor> list(at::Tensor* const* tensors, size_t count) {
  std::vector<at::Tensor> result;
  result.reserve(count);
  for (size_t i = 0; i < count; ++i) result.push_back(*tensors[i]);
  return result;
}

}  // namespace

void laformer_free(char* message) { std::free(message); }

const char* laformer_version() { return TORCH_VERSION; }

char* laformer_cpu_capability(char** capability) {
  return guarded([&] { *capability = copied(at::get_cpu_capability().c_str()); });
}

char* laformer_set_deterministic(bool deterministic) {
  return guarded([&] {
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
    context.setDeterministicCuDNN(deterministic);
    // Filling every fresh tensor with NaN finds bugs, but costs a pass over memory.
    context.setDeterministicFillUninitializedMemory(false);
    if (!deterministic) return;
    context.setBenchmarkCuDNN(false);
    // cuBLAS reads the variable at its first use, and libtorch refuses deterministic matrix products without it.
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  });
}

char* laformer_set_tf32(bool allowed) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(allowed);
    at::globalContext().setAllowTF32CuDNN(allowed);
  });
}

void laformer_keep_memory() {
#ifdef __GLIBC__
  // The largest threshold that glibc accepts.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
#endif
}

char* laformer_fused_adamw(at::Tensor* const* parameters, at::Tensor* const* gradients, at::Tensor* const* averages,
                           at::Tensor* const* squares, at::Tensor* const* steps, size_t count,
                           at::Tensor* learning_rate, double beta1, double beta2, double weight_decay, double epsilon) {
  return guarded([&] {
    if (count == 0) return;
    at::NoGradGuard no_grad;
    const auto step_list = list(steps, count);
    at::_foreach_add_(step_list, 1);
    // The CUDA kernel reads the learning rate as float32; the CPU kernel reads any type.
    const auto rate = learning_rate->is_cuda() ? learning_rate->to(at::kFloat) : *learning_rate;
    at::_fused_adamw_(list(parameters, count), list(gradients, count), list(averages, count), list(squares, count),
                      /*max_exp_avg_sqs=*/{}, step_list, rate, beta1, beta2, weight_decay, epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
  });
}

char* laformer_set_gradient(at::Tensor* parameter, at::Tensor* gradient) {
  return guarded([&] {
    TORCH_CHECK(parameter->requires_grad() && parameter->is_leaf(), "a gradient can be set on a trainable parameter only");
    TORCH_CHECK(gradient->sizes() == parameter->sizes(), "a gradient of shape ", gradient->sizes(),
                " cannot belong to a parameter of shape ", parameter->sizes());
    TORCH_CHECK(gradient->scalar_type() == parameter->scalar_type() && gradient->device() == parameter->device(),
                "a gradient must have the type and device of its parameter");
    parameter->mutable_grad() = gradient->detach();
  });
}
