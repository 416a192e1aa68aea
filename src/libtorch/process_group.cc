// Processes that train one model together, by libtorch's c10d. If compiled without it (see build.rs), joining fails with a message.
#include "bridge.h"

#include <ATen/ATen.h>
#include <c10/util/Logging.h>

#ifdef LAFORMER_DISTRIBUTED
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef LAFORMER_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

#include "guard.h"

using laformer::guarded;

#ifdef LAFORMER_DISTRIBUTED

namespace laformer {

struct ProcessGroup {
  c10::intrusive_ptr<c10d::Store> store;
  // Reduces tensors in CPU memory; null after the group is left.
  c10::intrusive_ptr<c10d::ProcessGroupGloo> cpu;
#ifdef LAFORMER_NCCL
  // Reduces tensors on CUDA devices, if there are any.
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> cuda;
#endif

  c10d::Backend& of([[maybe_unused]] const at::Tensor& tensor) {
#ifdef LAFORMER_NCCL
    if (tensor.is_cuda() && cuda) return *cuda;
#endif
    TORCH_CHECK(cpu, "this process has left the group");
    return *cpu;
  }
};

}  // namespace laformer

char* laformer_group_join(const char* host, uint16_t port, bool serves, const char* prefix, int rank, int count,
                          int64_t seconds, const char* network, bool is_interface, bool cuda,
                          laformer::ProcessGroup** group) {
  return guarded([&] {
    // c10d logs every attempt to connect with stack frames; the error that it throws says the same without them.
    setenv("TORCH_CPP_LOG_LEVEL", "FATAL", 0);
    c10::initLogging();
    const std::chrono::milliseconds timeout(1000 * seconds);
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serves;
    options.numWorkers = count;
    options.timeout = timeout;
    auto joined = std::make_unique<laformer::ProcessGroup>();
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    joined->store = c10::make_intrusive<c10d::PrefixStore>(prefix, std::move(store));
    joined->store->setTimeout(timeout);
    auto gloo = c10d::ProcessGroupGloo::Options::create(timeout);
    gloo->devices.push_back(is_interface ? c10d::ProcessGroupGloo::createDeviceForInterface(network)
                                         : c10d::ProcessGroupGloo::createDeviceForHostname(network));
    auto within = [&](const char* name) { return c10::make_intrusive<c10d::PrefixStore>(name, joined->store); };
    joined->cpu = c10::make_intrusive<c10d::ProcessGroupGloo>(within("cpu"), rank, count, gloo);
    if (cuda) {
#ifdef LAFORMER_NCCL
      auto nccl = c10d::ProcessGroupNCCL::Options::create();
      nccl->timeout = timeout;
      joined->cuda = c10::make_intrusive<c10d::ProcessGroupNCCL>(within("cuda"), rank, count, nccl);
#else
      C10_THROW_ERROR(NotImplementedError, "NCCL is not compiled in: its headers were missing");
#endif
    }
    *group = joined.release();
  });
}

char* laformer_group_sum(laformer::ProcessGroup* group, at::Tensor* tensor) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    group->of(*tensor).allreduce(tensors)->wait();
  });
}

char* laformer_group_broadcast(laformer::ProcessGroup* group, at::Tensor* tensor) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    group->of(*tensor).broadcast(tensors)->wait();
  });
}

char* laformer_group_tell(laformer::ProcessGroup* group, const char* key) {
  return guarded([&] { group->store->set(key, std::string("1")); });
}

char* laformer_group_told(laformer::ProcessGroup* group, const char* key, bool* told) {
  return guarded([&] { *told = group->store->check({key}); });
}

char* laformer_group_leave(laformer::ProcessGroup* group) {
  return guarded([&] {
    group->cpu.reset();
#ifdef LAFORMER_NCCL
    if (group->cuda) group->cuda->abort();
#endif
  });
}

void laformer_group_free(laformer::ProcessGroup* group) { delete group; }

#else

namespace {

[[noreturn]] void refuse() {
  C10_THROW_ERROR(NotImplementedError, "training by several processes is not compiled in: build with the feature `distributed`");
}

}  // namespace

char* laformer_group_join(const char*, uint16_t, bool, const char*, int, int, int64_t, const char*, bool, bool,
                          laformer::ProcessGroup**) {
  return guarded(refuse);
}
char* laformer_group_sum(laformer::ProcessGroup*, at::Tensor*) { return guarded(refuse); }
char* laformer_group_broadcast(laformer::ProcessGroup*, at::Tensor*) { return guarded(refuse); }
char* laformer_group_tell(laformer::ProcessGroup*, const char*) { return guarded(refuse); }
char* laformer_group_told(laformer::ProcessGroup*, const char*, bool*) { return guarded(refuse); }
char* laformer_group_leave(laformer::ProcessGroup*) { return guarded(refuse); }
void laformer_group_free(laformer::ProcessGroup*) {}

#endif
