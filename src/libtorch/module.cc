// TorchScript modules: traced from Rust, extended with scripted source, saved and loaded.
#include "bridge.h"

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/script.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "guard.h"

using laformer::guarded;
using torch::jit::Module;

namespace {

constexpr const char* kTypePrefix = "__torch__.laformer.";

// `torch.linalg` in scripts.
struct LinalgValue final : torch::jit::SugaredValue {
  std::string kind() const override { return "module"; }

  std::shared_ptr<torch::jit::SugaredValue> attr(const torch::jit::SourceRange&, torch::jit::GraphFunction&,
                                                 const std::string& field) override {
    return std::make_shared<torch::jit::BuiltinFunction>(c10::Symbol::aten("linalg_" + field), std::nullopt);
  }
};

// `torch` in scripts: its functions, and the types that the scripts name (libtorch's own resolver knows only functions).
struct TorchValue final : torch::jit::BuiltinModule {
  TorchValue() : BuiltinModule("aten") {}

  std::shared_ptr<torch::jit::SugaredValue> attr(const torch::jit::SourceRange& location,
                                                 torch::jit::GraphFunction& function,
                                                 const std::string& field) override {
    static const std::unordered_map<std::string, at::ScalarType> types{
        {"bool", at::kBool}, {"int64", at::kLong}, {"float32", at::kFloat}, {"float64", at::kDouble}};
    if (field == "linalg") return std::make_shared<LinalgValue>();
    const auto type = types.find(field);
    if (type == types.end()) return BuiltinModule::attr(location, function, field);
    auto* value = function.graph()->insertConstant(static_cast<int64_t>(type->second), location);
    return std::make_shared<torch::jit::SimpleValue>(value);
  }
};

// The class behind `with no_grad():` in scripts. The interpreter calls `__exit__` after an error in the block, too.
constexpr const char* kNoGrad = R"(
def __init__(self) -> None:
    self.before = torch.is_grad_enabled()

def __enter__(self) -> None:
    torch.set_grad_enabled(False)

def __exit__(self, type: Any, value: Any, traceback: Any) -> None:
    torch.set_grad_enabled(self.before)
)";

c10::ClassTypePtr no_grad_class(const std::shared_ptr<torch::jit::CompilationUnit>& unit) {
  const c10::QualifiedName name(std::string(kTypePrefix) + "NoGrad");
  if (auto known = unit->get_class(name)) return known;
  auto type = c10::ClassType::create(name, unit);
  type->addAttribute("before", c10::BoolType::get());
  unit->register_type(type);
  const torch::jit::SimpleSelf self(type);
  unit->define(name, kNoGrad, torch::jit::nativeResolver(), &self);
  return type;
}

// Resolves the names `torch`, `no_grad` and the exception that the scripts raise.
struct ScriptResolver final : torch::jit::NativeResolver {
  explicit ScriptResolver(std::shared_ptr<torch::jit::CompilationUnit> unit) : unit_(std::move(unit)) {}

  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string& name, torch::jit::GraphFunction& function,
                                                         const torch::jit::SourceRange& location) override {
    if (name == "torch") return std::make_shared<TorchValue>();
    if (name == "no_grad") return std::make_shared<torch::jit::ClassValue>(no_grad_class(unit_));
    if (name == "ValueError") return std::make_shared<torch::jit::ExceptionValue>(name);
    return NativeResolver::resolveValue(name, function, location);
  }

 private:
  std::shared_ptr<torch::jit::CompilationUnit> unit_;
};

// The type name of a submodule: `encoder_0_attention` for `encoder.0.attention`.
std::string type_name(std::string path) {
  std::replace_if(path.begin(), path.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return kTypePrefix + path;
}

Module new_module(const std::shared_ptr<torch::jit::CompilationUnit>& unit, const std::string& name) {
  Module module(c10::QualifiedName(name), unit, /*shouldMangle=*/true);
  // Python's train() and eval() need the attribute.
  module.register_attribute("training", c10::BoolType::get(), false);
  return module;
}

// Splits a dotted name into its submodule and its last part.
std::pair<Module, std::string> place(const Module& root, const std::string& name) {
  Module holder = root;
  size_t start = 0;
  for (size_t dot; (dot = name.find('.', start)) != std::string::npos; start = dot + 1) {
    const auto part = name.substr(start, dot - start);
    TORCH_CHECK(!part.empty(), "`", name, "` has an empty part");
    if (!holder.hasattr(part)) {
      holder.register_module(part, new_module(root._ivalue()->compilation_unit(), type_name(name.substr(0, dot))));
    }
    const auto child = holder.attr(part);
    TORCH_CHECK(child.isModule(), "`", name, "`: `", name.substr(0, dot), "` is a tensor already");
    holder = child.toModule();
  }
  const auto leaf = name.substr(start);
  TORCH_CHECK(!leaf.empty(), "`", name, "` has an empty part");
  TORCH_CHECK(!holder.hasattr(leaf), "`", name, "` is registered twice");
  return {holder, leaf};
}

void check_constants(torch::jit::Block* block, const std::string& method) {
  for (auto* node : block->nodes()) {
    if (node->kind() == torch::jit::prim::Constant && node->hasAttribute(torch::jit::attr::value) &&
        node->kindOf(torch::jit::attr::value) == torch::jit::AttributeKind::t) {
      const auto& tensor = node->t(torch::jit::attr::value);
      TORCH_CHECK(tensor.dim() == 0, "method `", method, "` uses a tensor of shape ", tensor.sizes(),
                  " that is neither an argument nor registered: register it as a buffer, or compute it from the arguments");
    }
    for (auto* inner : node->blocks()) check_constants(inner, method);
  }
}

// Replaces the constant devices of a traced graph by the device of `argument`. The tracer records the device of the samples.
void follow_argument_device(const std::shared_ptr<torch::jit::Graph>& graph, torch::jit::Value* argument) {
  std::vector<torch::jit::Value*> devices;
  std::vector<torch::jit::Block*> blocks{graph->block()};
  while (!blocks.empty()) {
    auto* block = blocks.back();
    blocks.pop_back();
    for (auto* node : block->nodes()) {
      if (node->kind() == torch::jit::prim::Constant && node->output()->type()->kind() == c10::TypeKind::DeviceObjType) {
        devices.push_back(node->output());
      }
      for (auto* inner : node->blocks()) blocks.push_back(inner);
    }
  }
  if (devices.empty()) return;
  torch::jit::WithInsertPoint insert(*graph->nodes().begin());
  auto* device = graph->insert(torch::jit::prim::device, {argument});
  for (auto* constant : devices) constant->replaceAllUsesWith(device);
}

// Replaces a module's tensors by CPU copies with their own storage, until it is destroyed. So a saved file loads on any machine, and
// a view does not save the whole buffer behind it.
class DetachedTensors {
 public:
  explicit DetachedTensors(const Module& module) {
    std::unordered_map<at::TensorImpl*, at::Tensor> copies;
    for (Module part : module.modules()) {
      for (size_t slot = 0; slot < part.type()->numAttributes(); ++slot) {
        const auto value = part._ivalue()->getSlot(slot);
        if (!value.isTensor()) continue;
        const auto tensor = value.toTensor();
        auto& copy = copies[tensor.unsafeGetTensorImpl()];
        if (!copy.defined()) {
          copy = tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true,
                                    at::MemoryFormat::Contiguous);
          copy.set_requires_grad(tensor.requires_grad());
        }
        slots_.push_back({part._ivalue(), slot, value});
        part._ivalue()->setSlot(slot, copy);
      }
    }
  }
  ~DetachedTensors() {
    for (auto& slot : slots_) slot.object->setSlot(slot.index, slot.original);
  }
  DetachedTensors(const DetachedTensors&) = delete;
  DetachedTensors& operator=(const DetachedTensors&) = delete;

 private:
  struct Slot {
    torch::jit::ObjectPtr object;
    size_t index;
    c10::IValue original;
  };
  std::vector<Slot> slots_;
};

// Passes the tensors of a value to `receive`; those of tuples and lists in order.
void push_tensors(const c10::IValue& value, laformer_receive receive, void* context) {
  if (value.isTensor()) {
    // The receiver owns this tensor.
    receive(context, new at::Tensor(value.toTensor()));
  } else if (value.isTuple()) {
    for (const auto& element : value.toTupleRef().elements()) push_tensors(element, receive, context);
  } else if (value.isTensorList()) {
    for (const at::Tensor& tensor : value.toTensorVector()) push_tensors(tensor, receive, context);
  } else {
    TORCH_CHECK(false, "it returned ", value.tagKind(), ", not tensors");
  }
}

// Reads from memory; the bytes must outlive the reader.
class MemoryReader final : public caffe2::serialize::ReadAdapterInterface {
 public:
  MemoryReader(const char* content, size_t length) : content_(content), length_(length) {}
  size_t size() const override { return length_; }
  size_t read(uint64_t position, void* buffer, size_t count, const char*) const override {
    if (position >= length_) return 0;
    count = std::min<size_t>(count, length_ - position);
    std::memcpy(buffer, content_ + position, count);
    return count;
  }

 private:
  const char* content_;
  size_t length_;
};

// Registers an attribute, or changes an existing one.
void set_attribute(Module& module, const char* name, const c10::TypePtr& type, c10::IValue value) {
  if (module.hasattr(name)) {
    module.setattr(name, std::move(value));
  } else {
    module.register_attribute(name, type, std::move(value));
  }
}

}  // namespace

char* laformer_module_new(Module** module) {
  return guarded([&] {
    auto unit = std::make_shared<torch::jit::CompilationUnit>();
    *module = new Module(new_module(unit, std::string(kTypePrefix) + "Model"));
  });
}

void laformer_module_free(Module* module) { delete module; }

char* laformer_module_register_parameter(Module* module, const char* name, at::Tensor* tensor) {
  return guarded([&] {
    auto [holder, leaf] = place(*module, name);
    holder.register_parameter(leaf, *tensor, /*is_buffer=*/false);
  });
}

char* laformer_module_register_buffer(Module* module, const char* name, at::Tensor* tensor) {
  return guarded([&] {
    auto [holder, leaf] = place(*module, name);
    holder.register_buffer(leaf, *tensor);
  });
}

char* laformer_module_load(const void* content, size_t length, const char* device, Module** module) {
  return guarded([&] {
    auto reader = std::make_shared<MemoryReader>(static_cast<const char*>(content), length);
    auto loaded = torch::jit::load(std::move(reader), c10::Device(std::string(device)));
    at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : loaded.named_parameters()) {
      // Weights whose squares overflow make products that are not finite.
      const bool is_sound = tensor.to(at::kFloat).square().isfinite().all().item<bool>();
      TORCH_CHECK(is_sound, name, " has numbers that are not finite or too large to be weights");
    }
    *module = new Module(std::move(loaded));
  });
}

char* laformer_module_set_int(Module* module, const char* name, int64_t value) {
  return guarded([&] { set_attribute(*module, name, c10::IntType::get(), value); });
}

char* laformer_module_set_float(Module* module, const char* name, double value) {
  return guarded([&] { set_attribute(*module, name, c10::FloatType::get(), value); });
}

char* laformer_module_set_texts(Module* module, const char* name, const char* const* texts, size_t count) {
  return guarded([&] {
    c10::List<std::string> list;
    for (size_t i = 0; i < count; ++i) list.push_back(texts[i]);
    set_attribute(*module, name, c10::ListType::ofStrings(), list);
  });
}

char* laformer_module_set_ints(Module* module, const char* name, const int64_t* numbers, size_t count) {
  return guarded([&] {
    set_attribute(*module, name, c10::ListType::ofInts(), c10::List<int64_t>(at::IntArrayRef(numbers, count)));
  });
}

char* laformer_module_set_rows(Module* module, const char* name, const int64_t* numbers, const size_t* lengths,
                               size_t rows) {
  return guarded([&] {
    c10::impl::GenericList list(c10::ListType::ofInts());
    for (size_t row = 0; row < rows; numbers += lengths[row++]) {
      list.push_back(c10::List<int64_t>(at::IntArrayRef(numbers, lengths[row])));
    }
    set_attribute(*module, name, c10::ListType::create(c10::ListType::ofInts()), list);
  });
}

void laformer_push(void* outputs, at::Tensor* tensor) {
  static_cast<std::vector<at::Tensor>*>(outputs)->push_back(*tensor);
}

char* laformer_module_trace(Module* module, const char* method, const char* const* arguments,
                            at::Tensor* const* samples, size_t count, laformer_body body, void* context) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    torch::jit::Stack inputs;
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) {
      // The tracer identifies tensors by object. Without a new object, a registered or repeated tensor would be confused with another.
      inputs.emplace_back(samples[i]->detach());
      names.emplace_back(arguments[i]);
    }
    const auto run = [&](torch::jit::Stack stack) -> torch::jit::Stack {
      std::vector<at::Tensor> tensors;
      for (const auto& value : stack) tensors.push_back(value.toTensor());
      std::vector<at::Tensor*> pointers;
      for (auto& tensor : tensors) pointers.push_back(&tensor);
      std::vector<at::Tensor> outputs;
      TORCH_CHECK(body(context, pointers.data(), pointers.size(), &outputs), "the body failed");
      TORCH_CHECK(!outputs.empty(), "the body returned no tensor");
      if (outputs.size() == 1) return {outputs[0]};
      return {c10::ivalue::Tuple::create(std::vector<c10::IValue>(outputs.begin(), outputs.end()))};
    };
    const auto nameless = [](const torch::autograd::Variable&) { return std::string(); };
    const auto graph = torch::jit::tracer::trace(inputs, run, nameless, /*strict=*/true, /*force_outplace=*/false,
                                                 module, names)
                           .first->graph;
    check_constants(graph->block(), method);
    follow_argument_device(graph, graph->inputs().at(1));  // The first input is `self`.
    const c10::QualifiedName name(*module->type()->name(), method);
    module->type()->addMethod(module->_ivalue()->compilation_unit()->create_function(name, graph));
  });
}

char* laformer_module_define(Module* module, const char* source) {
  return guarded([&] {
    module->define(source, std::make_shared<ScriptResolver>(module->_ivalue()->compilation_unit()));
  });
}

char* laformer_module_call(Module* module, const char* method, at::Tensor* const* tensors, size_t tensor_count,
                           const int64_t* numbers, size_t number_count, laformer_receive receive, void* context) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    // Optimized methods are no faster here, because they spend their time in large products. But TorchScript optimizes again for every
    // shape of the inputs, which takes up to a second.
    const torch::jit::GraphOptimizerEnabledGuard as_written(false);
    const auto found = module->find_method(method);
    TORCH_CHECK(found, "there is no method `", method, "`");
    size_t tensor = 0, number = 0;
    const auto next_number = [&] {
      TORCH_CHECK(number < number_count, "`", method, "` takes more than ", number_count, " numbers");
      return numbers[number++];
    };
    std::vector<c10::IValue> inputs;
    const auto& arguments = found->function().getSchema().arguments();
    for (size_t i = 1; i < arguments.size(); ++i) {  // The first is `self`.
      const auto& type = arguments[i].type();
      if (type->isSubtypeOf(*c10::ListType::ofTensors())) {
        c10::List<at::Tensor> list;
        while (tensor < tensor_count) list.push_back(*tensors[tensor++]);
        inputs.emplace_back(list);
      } else if (type->kind() == c10::TypeKind::TensorType) {
        TORCH_CHECK(tensor < tensor_count, "`", method, "` takes more than ", tensor_count, " tensors");
        inputs.emplace_back(*tensors[tensor++]);
      } else if (type->kind() == c10::TypeKind::BoolType) {
        inputs.emplace_back(next_number() != 0);
      } else {
        inputs.emplace_back(next_number());
      }
    }
    push_tensors((*found)(inputs), receive, context);
  });
}

char* laformer_module_save(Module* module, const char* const* names, const char* const* contents, const size_t* lengths,
                           size_t count, laformer_write write, void* context) {
  return guarded([&] {
    torch::jit::ExtraFilesMap extra;
    for (size_t i = 0; i < count; ++i) extra[names[i]] = std::string(contents[i], lengths[i]);
    const DetachedTensors detached(*module);
    // Writes to memory. A writer to a file that fails at its last record throws in its destructor, which ends the process.
    const auto piece = [&](const void* content, size_t length) {
      write(context, content, length);
      return length;
    };
    torch::jit::ExportModule(*module, piece, extra);
  });
}
