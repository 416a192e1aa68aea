// C functions for the parts of libtorch that tch lacks.
//
// A function that can fail returns nullptr on success, or an error message to be freed by laformer_free. Tensors are torch-sys's
// `C_tensor*`, which is `at::Tensor*`; the caller keeps ownership. Arrays come with their length; strings end with a null byte.
#pragma once

#include <cstddef>
#include <cstdint>

namespace at {
class Tensor;
}
namespace at::cuda {
struct CUDAGraph;
}
namespace c10 {
struct StreamGuard;
}
namespace torch::jit {
struct Module;
}
namespace laformer {
struct ProcessGroup;
}

extern "C" {

void laformer_free(char* message);

// ---- Runtime (bridge.cc)

// The version of libtorch, e.g. `2.11.0`; a static string.
const char* laformer_version();
// The widest vector instructions that libtorch uses, e.g. `AVX512`; free the string by laformer_free.
char* laformer_cpu_capability(char** capability);
char* laformer_set_deterministic(bool deterministic);
// Whether matrix products and recurrences of fp32 may round their factors to TF32 on CUDA.
char* laformer_set_tf32(bool allowed);
// Keeps freed memory in the process for the next tensors.
void laformer_keep_memory();

// ---- Optimizer (bridge.cc)

// One AdamW step with decoupled weight decay. `steps` are float32 scalars, which this increments. The learning rate is a 0-d tensor
// on the parameters' device.
char* laformer_fused_adamw(at::Tensor* const* parameters, at::Tensor* const* gradients, at::Tensor* const* averages,
                           at::Tensor* const* squares, at::Tensor* const* steps, size_t count,
                           at::Tensor* learning_rate, double beta1, double beta2, double weight_decay, double epsilon);
char* laformer_set_gradient(at::Tensor* parameter, at::Tensor* gradient);

// ---- States [batch, row, column, channel] (channels.cc)

// Matrix products a b, channel by channel.
char* laformer_channel_product(at::Tensor* a, at::Tensor* b, at::Tensor** product);
// x divided by its root mean square, which counts as at least `least`. The mean is over each channel's matrix, or over all channels.
char* laformer_channel_norm(at::Tensor* x, bool over_channels, double least, at::Tensor** norm);

// ---- CUDA (graph.cc)

// A copy of a tensor in page-locked memory.
char* laformer_pin(at::Tensor* tensor, at::Tensor** pinned);
// Makes a stream other than the default one current in this thread, until laformer_stream_leave.
char* laformer_stream_enter(int device_index, c10::StreamGuard** guard);
char* laformer_stream_leave(c10::StreamGuard* guard);

bool laformer_graphs_compiled();
char* laformer_graph_new(at::cuda::CUDAGraph** graph);
char* laformer_graph_free(at::cuda::CUDAGraph* graph);
// Records the work of the current stream. The graph shares the memory of `sharing`, or has its own if `sharing` is nullptr.
char* laformer_graph_begin(at::cuda::CUDAGraph* graph, at::cuda::CUDAGraph* sharing);
char* laformer_graph_end(at::cuda::CUDAGraph* graph);
char* laformer_graph_replay(at::cuda::CUDAGraph* graph);

// ---- Processes that train together (process_group.cc)

// Joins `count` processes, of which this one is number `rank`, by the store at an address. One of them serves it.
// Keys of the store begin with `prefix`. A later call fails if others do not make it within `seconds`. The others reach
// this process at `network`: an interface, or an address of this machine. With `cuda`, tensors on CUDA devices are summed, too.
char* laformer_group_join(const char* host, uint16_t port, bool serves, const char* prefix, int rank, int count,
                          int64_t seconds, const char* network, bool is_interface, bool cuda,
                          laformer::ProcessGroup** group);
// Replaces the tensor by its sum over all processes.
char* laformer_group_sum(laformer::ProcessGroup* group, at::Tensor* tensor);
// Replaces the tensor by its value in process 0.
char* laformer_group_broadcast(laformer::ProcessGroup* group, at::Tensor* tensor);
// Adds a key to the store; returns in `told` whether a key is there.
char* laformer_group_tell(laformer::ProcessGroup* group, const char* key);
char* laformer_group_told(laformer::ProcessGroup* group, const char* key, bool* told);
// Closes the connections to the other processes; the store remains.
char* laformer_group_leave(laformer::ProcessGroup* group);
void laformer_group_free(laformer::ProcessGroup* group);

// ---- TorchScript modules (module.cc)

char* laformer_module_new(torch::jit::Module** module);
void laformer_module_free(torch::jit::Module* module);
// Dotted names make submodules.
char* laformer_module_register_parameter(torch::jit::Module* module, const char* name, at::Tensor* tensor);
char* laformer_module_register_buffer(torch::jit::Module* module, const char* name, at::Tensor* tensor);
// Loads the content of a file onto a device, e.g. `cuda:0`.
char* laformer_module_load(const void* content, size_t length, const char* device, torch::jit::Module** module);
// Set an attribute of type int, float, `List[str]`, `List[int]` or `List[List[int]]`; an existing one is changed.
char* laformer_module_set_int(torch::jit::Module* module, const char* name, int64_t value);
char* laformer_module_set_float(torch::jit::Module* module, const char* name, double value);
char* laformer_module_set_texts(torch::jit::Module* module, const char* name, const char* const* texts, size_t count);
char* laformer_module_set_ints(torch::jit::Module* module, const char* name, const int64_t* numbers, size_t count);
char* laformer_module_set_rows(torch::jit::Module* module, const char* name, const int64_t* numbers,
                               const size_t* lengths, size_t rows);

// Computes outputs from inputs and passes each output to laformer_push; returns false on failure.
using laformer_body = bool (*)(void* context, at::Tensor* const* inputs, size_t count, void* outputs);
void laformer_push(void* outputs, at::Tensor* tensor);
char* laformer_module_trace(torch::jit::Module* module, const char* method, const char* const* arguments,
                            at::Tensor* const* samples, size_t count, laformer_body body, void* context);

// Compiles methods written in TorchScript.
char* laformer_module_define(torch::jit::Module* module, const char* source);
// Calls a method without gradients. An argument of type List[Tensor] takes all remaining tensors. `receive` gets every tensor of
// the result and must free it.
using laformer_receive = void (*)(void* context, at::Tensor* tensor);
char* laformer_module_call(torch::jit::Module* module, const char* method, at::Tensor* const* tensors,
                           size_t tensor_count, const int64_t* numbers, size_t number_count, laformer_receive receive,
                           void* context);
// Passes the content of the module's file to `write`, piece by piece, with its tensors on the CPU.
using laformer_write = void (*)(void* context, const void* content, size_t length);
char* laformer_module_save(torch::jit::Module* module, const char* const* names, const char* const* contents,
                           const size_t* lengths, size_t count, laformer_write write, void* context);
}
