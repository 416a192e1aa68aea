// CUDA graphs, streams and page-locked memory. If compiled without the headers of the CUDA runtime (see build.rs), the graph
// functions fail with a message.
#include "bridge.h"

#include <ATen/core/Tensor.h>
#include <c10/core/StreamGuard.h>

#ifdef LAFORMER_CUDA_GRAPHS
#include <ATen/cuda/CUDAGraph.h>
#endif

#include "guard.h"

using laformer::guarded;

namespace {

#ifdef LAFORMER_CUDA_GRAPHS
constexpr bool kCompiled = true;
#else
constexpr bool kCompiled = false;
#endif

[[noreturn, maybe_unused]] void refuse() {
  C10_THROW_ERROR(NotImplementedError, "CUDA graphs are not compiled in (laformer doctor says why)");
}

}  // namespace

bool laformer_graphs_compiled() { return kCompiled; }

char* laformer_pin(at::Tensor* tensor, at::Tensor** pinned) {
  return guarded([&] { *pinned = new at::Tensor(tensor->pin_memory()); });
}

char* laformer_stream_enter(int device_index, c10::StreamGuard** guard) {
  return guarded([&] {
    const c10::Device device(c10::kCUDA, static_cast<c10::DeviceIndex>(device_index));
    const c10::impl::VirtualGuardImpl cuda(c10::kCUDA);
    // Streams of the pool do not wait for the default stream.
    cuda.synchronizeDevice(device.index());
    *guard = new c10::StreamGuard(cuda.getStreamFromGlobalPool(device));
  });
}

char* laformer_stream_leave(c10::StreamGuard* guard) {
  return guarded([&] {
    const auto stream = guard->current_stream();
    delete guard;
    stream.synchronize();
  });
}

#ifdef LAFORMER_CUDA_GRAPHS

char* laformer_graph_new(at::cuda::CUDAGraph** graph) {
  return guarded([&] { *graph = new at::cuda::CUDAGraph(); });
}

char* laformer_graph_free(at::cuda::CUDAGraph* graph) {
  return guarded([&] { delete graph; });
}

char* laformer_graph_begin(at::cuda::CUDAGraph* graph, at::cuda::CUDAGraph* sharing) {
  return guarded([&] {
    // Thread-local mode, because other threads pin memory for batches meanwhile, which the global mode forbids. Every mode
    // allows the backward pass in autograd's threads.
    graph->capture_begin(sharing == nullptr ? at::cuda::MempoolId_t{0, 0} : sharing->pool(),
                         cudaStreamCaptureModeThreadLocal);
  });
}

char* laformer_graph_end(at::cuda::CUDAGraph* graph) {
  return guarded([&] { graph->capture_end(); });
}

char* laformer_graph_replay(at::cuda::CUDAGraph* graph) {
  return guarded([&] { graph->replay(); });
}

#else

char* laformer_graph_new(at::cuda::CUDAGraph**) { return guarded(refuse); }
char* laformer_graph_free(at::cuda::CUDAGraph*) { return guarded(refuse); }
char* laformer_graph_begin(at::cuda::CUDAGraph*, at::cuda::CUDAGraph*) { return guarded(refuse); }
char* laformer_graph_end(at::cuda::CUDAGraph*) { return guarded(refuse); }
char* laformer_graph_replay(at::cuda::CUDAGraph*) { return guarded(refuse); }

#endif
