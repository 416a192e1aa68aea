// What tch lacks of libtorch, as C functions for Rust.
//
// A function that can fail returns nullptr, or a message that laformer_free gives back. Tensors are torch-sys's `C_tensor*`,
// which is `at::Tensor*`; they stay the caller's. Arrays come with their length; strings end with a null byte.
#pragma once

#include <cstddef>
#include <cstdint>

namespace at {
class Tensor;
}
namespace torch::jit {
struct Module;
}

extern "C" {

void laformer_free(char* message);

// ---- Runtime (bridge.cc)

// Static text, e.g. `2.11.0`.
const char* laformer_version();
// `AVX512`; laformer_free.
char* laformer_cpu_capability(char** capability);
char* laformer_set_deterministic(bool deterministic);
// Freed memory stays with the process for the next tensor.
void laformer_keep_memory();

// ---- Optimizer (bridge.cc)

// One AdamW step, decoupled weight decay; `steps` are float32 scalars and are advanced here.
char* laformer_fused_adamw(at::Tensor* const* parameters, at::Tensor* const* gradients, at::Tensor* const* averages,
                           at::Tensor* const* squares, at::Tensor* const* steps, size_t count, double learning_rate,
                           double beta1, double beta2, double weight_decay, double epsilon);
char* laformer_set_gradient(at::Tensor* parameter, at::Tensor* gradient);

// ---- TorchScript modules (module.cc)

char* laformer_module_new(torch::jit::Module** module);
void laformer_module_free(torch::jit::Module* module);
// Dotted names make submodules.
char* laformer_module_register_parameter(torch::jit::Module* module, const char* name, at::Tensor* tensor);
char* laformer_module_register_buffer(torch::jit::Module* module, const char* name, at::Tensor* tensor);
char* laformer_module_set_int(torch::jit::Module* module, const char* name, int64_t value);
char* laformer_module_set_text(torch::jit::Module* module, const char* name, const char* value);

// Computes outputs from inputs, handing each to laformer_push; false when it failed.
using laformer_body = bool (*)(void* context, at::Tensor* const* inputs, size_t count, void* outputs);
void laformer_push(void* outputs, at::Tensor* tensor);
char* laformer_module_trace(torch::jit::Module* module, const char* method, const char* const* arguments,
                            at::Tensor* const* samples, size_t count, laformer_body body, void* context);

// Compiles methods written in TorchScript.
char* laformer_module_define(torch::jit::Module* module, const char* source);
// Writes the module with its tensors on the CPU; the module's own tensors become those copies.
char* laformer_module_save(torch::jit::Module* module, const char* path, const char* const* names,
                           const char* const* contents, const size_t* lengths, size_t count);

// Calls `visit` for every extra file of a TorchScript archive.
using laformer_visit = void (*)(void* context, const char* name, const void* content, size_t length);
char* laformer_read_extra_files(const char* path, laformer_visit visit, void* context);
}
