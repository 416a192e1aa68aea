use super::*;
use crate::libtorch::read_extra_files;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tch::nn::{self, Module as _};
use tch::{CModule, Device, IValue, Kind};

const WIDTH: i64 = 16;

/// One block of self-attention over tokens.
struct Attention {
    store: nn::VarStore,
    tokens: nn::Embedding,
    positions: nn::Embedding,
    query_key_value: nn::Linear,
    output: nn::Linear,
}

impl Attention {
    fn new(kind: Kind) -> Self {
        tch::manual_seed(3);
        let mut store = nn::VarStore::new(Device::Cpu);
        let root = store.root();
        let plain = nn::LinearConfig {
            bias: false,
            ..Default::default()
        };
        let (tokens, positions) = (
            nn::embedding(&root / "embedding" / "tokens", 20, WIDTH, Default::default()),
            nn::embedding(&root / "embedding" / "positions", 32, WIDTH, Default::default()),
        );
        let query_key_value = nn::linear(&root / "encoder" / 0 / "qkv", WIDTH, 3 * WIDTH, plain);
        let output = nn::linear(&root / "encoder" / 0 / "output", WIDTH, WIDTH, Default::default());
        store.set_kind(kind);
        Self {
            store,
            tokens,
            positions,
            query_key_value,
            output,
        }
    }

    /// `tokens [B, N]`, `positions [N]` to `[B, N, WIDTH]`.
    fn encode(&self, tokens: &Tensor, positions: &Tensor) -> Tensor {
        let hidden = self.tokens.forward(tokens) + self.positions.forward(positions);
        let heads: Vec<_> = self
            .query_key_value
            .forward(&hidden)
            .chunk(3, -1)
            .into_iter()
            .map(|part| part.unflatten(-1, [4, -1]).transpose(1, 2))
            .collect();
        let weights = heads[0]
            .matmul(&heads[1].transpose(2, 3))
            .softmax(-1, Kind::Float)
            .to_kind(heads[2].kind());
        hidden
            + self
                .output
                .forward(&weights.matmul(&heads[2]).transpose(1, 2).flatten(2, 3))
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        self.store
            .variables()
            .into_iter()
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect()
    }

    fn module(&self) -> Module<'_> {
        let encode = |name: &str| Method {
            name: name.into(),
            arguments: vec!["tokens", "positions"],
            samples: vec![tokens(2, 5), tch::Tensor::arange(5, (Kind::Int64, Device::Cpu))],
            body: Box::new(|inputs| vec![self.encode(&inputs[0], &inputs[1])]),
        };
        Module {
            parameters: self.parameters(),
            buffers: vec![],
            attributes: vec![],
            methods: vec![encode("encode")],
            source: String::new(),
            extra: BTreeMap::new(),
        }
    }
}

fn tokens(batch: i64, length: i64) -> Tensor {
    Tensor::arange(batch * length, (Kind::Int64, Device::Cpu))
        .remainder(20)
        .reshape([batch, length])
}

/// Saves into a folder that lives as long as the result.
fn saved(module: &Module) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    module.save(&path).unwrap();
    (folder, path)
}

fn sum(tensor: &Tensor) -> f64 {
    tensor.to_kind(Kind::Double).sum(Kind::Double).double_value(&[])
}

#[test]
fn a_trace_is_exact_at_another_batch_and_length() {
    for kind in [Kind::Float, Kind::BFloat16] {
        let model = Attention::new(kind);
        let (_folder, path) = saved(&model.module());
        let loaded = CModule::load(&path).unwrap();
        let inputs = [tokens(7, 11), Tensor::arange(11, (Kind::Int64, Device::Cpu))];
        let got = loaded.method_ts("encode", &inputs).unwrap();
        assert_eq!(got.kind(), kind);
        assert!(got.equal(&model.encode(&inputs[0], &inputs[1])), "{kind:?}");
    }
}

#[test]
fn parameters_keep_their_names_and_stay_trainable() {
    let model = Attention::new(Kind::Float);
    let (_folder, path) = saved(&model.module());
    let loaded = CModule::load(&path).unwrap();
    let parameters: BTreeMap<_, _> = loaded.named_parameters().unwrap().into_iter().collect();
    let wanted: BTreeMap<_, _> = model.parameters().into_iter().collect();
    assert_eq!(parameters.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    assert!(parameters.contains_key("encoder.0.qkv.weight"));
    assert!(
        parameters
            .iter()
            .all(|(name, tensor)| tensor.equal(&wanted[name]) && tensor.requires_grad())
    );

    let inputs = [tokens(2, 3), Tensor::arange(3, (Kind::Int64, Device::Cpu))];
    loaded
        .method_ts("encode", &inputs)
        .unwrap()
        .square()
        .sum(Kind::Float)
        .backward();
    assert!(parameters.values().all(|tensor| tensor.grad().defined()));
}

#[test]
fn methods_share_parameters_and_scripts_call_them() {
    let model = Attention::new(Kind::Float);
    let mut module = model.module();
    module.methods.push(Method {
        name: "both".into(),
        arguments: vec!["tokens", "positions"],
        samples: vec![tokens(2, 4), Tensor::arange(4, (Kind::Int64, Device::Cpu))],
        body: Box::new(|inputs| {
            let hidden = model.encode(&inputs[0], &inputs[1]);
            vec![hidden.square(), hidden]
        }),
    });
    module.attributes = vec![
        ("scale".into(), Attribute::Int(3)),
        ("task".into(), Attribute::Text("sum".into())),
    ];
    module.source = r#"
def total(self, tokens: Tensor) -> Tensor:
    if tokens.dim() != 2:
        raise ValueError("{} wants [batch, length], not {} dimensions".format(self.task, tokens.dim()))
    squares, hidden = self.both(tokens, torch.arange(tokens.size(1), device=tokens.device))
    return (squares - hidden * hidden).sum() + self.scale * hidden.to(torch.float64).sum()
"#
    .into();
    let (_folder, path) = saved(&module);
    let mut loaded = CModule::load(&path).unwrap();
    assert_eq!(loaded.named_parameters().unwrap().len(), model.parameters().len());
    let input = tokens(3, 6);
    let hidden = model.encode(&input, &Tensor::arange(6, (Kind::Int64, Device::Cpu)));
    let got = loaded.method_ts("total", &[input.shallow_clone()]).unwrap();
    assert!((sum(&got) - 3.0 * sum(&hidden)).abs() < 1e-6);

    loaded.set_eval();
    let error = loaded.method_ts("total", &[input.get(0)]).unwrap_err().to_string();
    assert!(
        error.contains("ValueError: sum wants [batch, length], not 1 dimensions"),
        "{error}"
    );
    let IValue::Tuple(outputs) = loaded
        .method_is(
            "both",
            &[
                IValue::Tensor(input),
                IValue::Tensor(Tensor::arange(6, (Kind::Int64, Device::Cpu))),
            ],
        )
        .unwrap()
    else {
        panic!("two outputs are a tuple")
    };
    assert_eq!(outputs.len(), 2);
}

fn saving_fails(module: &Module) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = format!("{:#}", module.save(&folder.path().join("model.pt")).unwrap_err());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "a failure leaves no file"
    );
    error
}

#[test]
fn a_panicking_body_is_an_error_and_tracing_goes_on() {
    let model = Attention::new(Kind::Float);
    let mut module = model.module();
    module.methods[0].body = Box::new(|_| panic!("out of cheese"));
    let error = saving_fails(&module);
    assert_eq!(error, "cannot trace method `encode`: out of cheese");
    saved(&model.module());
}

#[test]
fn an_unregistered_tensor_is_refused() {
    let model = Attention::new(Kind::Float);
    let mut module = model.module();
    module.parameters.retain(|(name, _)| name != "encoder.0.qkv.weight");
    let error = saving_fails(&module);
    assert!(
        error.contains("Consider making it a parameter or input") && error.len() < 300,
        "{error}"
    );

    let table = Tensor::ones([3, 1], (Kind::Float, Device::Cpu));
    module.methods[0].body = Box::new(move |inputs| vec![&inputs[0] * &table.get(0)]);
    let error = saving_fails(&module);
    assert!(
        error.contains("method `encode` uses a tensor of shape [3, 1] that is neither"),
        "{error}"
    );
}

#[test]
fn a_script_that_does_not_compile_is_an_error() {
    let model = Attention::new(Kind::Float);
    let mut module = model.module();
    module.source = "def f(self, x: Tensor) -> Tensor:\n    return self.nothing(x)\n".into();
    let error = saving_fails(&module);
    assert!(
        error.starts_with("cannot compile the scripted methods") && error.contains("nothing"),
        "{error}"
    );
}

#[test]
fn names_are_registered_once() {
    let model = Attention::new(Kind::Float);
    let mut module = model.module();
    module.buffers = vec![("encoder.0.qkv.weight".into(), Tensor::from(1.0))];
    assert!(saving_fails(&module).contains("`encoder.0.qkv.weight` is registered twice"));
}

#[test]
fn traces_hold_no_device() {
    let model = Attention::new(Kind::Float);
    let mut module = model.module();
    module.methods = vec![Method {
        name: "count".into(),
        arguments: vec!["values"],
        samples: vec![Tensor::zeros([2], (Kind::Float, Device::Cpu))],
        body: Box::new(|inputs| vec![inputs[0].to_kind(Kind::Double) + Tensor::ones([1], (Kind::Double, Device::Cpu))]),
    }];
    let (_folder, path) = saved(&module);
    // The meta device, shapes without data, stands for any other device.
    let program = "import sys, torch\nprint(torch.jit.load(sys.argv[1]).count(torch.zeros(4, device='meta')).device)";
    let Some(output) = python(program, &[path.to_str().unwrap()]) else {
        return;
    };
    assert_eq!(output.trim(), "meta");
}

#[test]
fn a_view_does_not_drag_its_buffer_into_the_file() {
    let model = Attention::new(Kind::Float);
    let mut module = model.module();
    let flat = Tensor::zeros([1 << 20], (Kind::Float, Device::Cpu));
    module.buffers = vec![("view".into(), flat.narrow(0, 7, 4))];
    let (_folder, path) = saved(&module);
    assert!(fs::metadata(&path).unwrap().len() < 1 << 18);
}

#[test]
fn saving_twice_gives_the_same_bytes() {
    let model = Attention::new(Kind::Float);
    let read = |(_folder, path): (tempfile::TempDir, PathBuf)| fs::read(path).unwrap();
    assert!(read(saved(&model.module())) == read(saved(&model.module())));
}

#[test]
fn extra_files_round_trip() {
    let model = Attention::new(Kind::Float);
    let mut module = model.module();
    let files = [
        ("config.json", "{\"width\": 16}"),
        ("empty", ""),
        ("notes/größe.txt", "a\0b\n"),
    ];
    module.extra = files
        .iter()
        .map(|&(name, text)| (name.to_owned(), text.to_owned()))
        .collect();
    let (_folder, path) = saved(&module);
    let wanted = files
        .iter()
        .map(|&(name, text)| (name.to_owned(), text.into()))
        .collect();
    assert_eq!(read_extra_files(&path).unwrap(), wanted);
}

#[test]
fn files_that_are_no_module_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.pt");
    let (_other, model) = saved(&Attention::new(Kind::Float).module());
    let whole = fs::read(model).unwrap();
    for content in [&b""[..], b"garbage", &vec![7u8; 10_000], &whole[..whole.len() / 2]] {
        fs::write(&garbage, content).unwrap();
        let error = read_extra_files(&garbage).unwrap_err().to_string();
        assert!(
            error.contains("garbage.pt is not a readable TorchScript module"),
            "{error}"
        );
    }
    for path in [folder.path().join("absent.pt"), folder.path().to_owned()] {
        assert!(
            read_extra_files(&path)
                .unwrap_err()
                .to_string()
                .contains(path.to_str().unwrap())
        );
    }
}

/// Runs a Python program that has torch, or `None` when there is no such Python.
pub(super) fn python(program: &str, arguments: &[&str]) -> Option<String> {
    let interpreter = std::env::var("LAFORMER_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_torch = Command::new(&interpreter)
        .args(["-c", "import torch"])
        .output()
        .ok()?
        .status
        .success();
    if !has_torch {
        eprintln!("skipped: {interpreter} has no torch");
        return None;
    }
    let output = Command::new(interpreter)
        .args(["-c", program])
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(text(&output.stdout))
}

#[test]
fn python_computes_the_same_number() {
    let model = Attention::new(Kind::Float);
    let mut module = model.module();
    module.extra = BTreeMap::from([("config.json".into(), "{}".into())]);
    let (_folder, path) = saved(&module);
    let program = r#"
import copy, io, sys, torch
extra = {"config.json": ""}
model = torch.jit.load(sys.argv[1], _extra_files=extra)
assert extra["config.json"] in ("{}", b"{}"), extra
model.train(); model.eval(); model.to("cpu")
assert "encoder.0.qkv.weight" in model.state_dict()
buffer = io.BytesIO(); torch.jit.save(model, buffer); buffer.seek(0)
again = torch.jit.load(buffer)
tokens = (torch.arange(3 * 6) % 20).reshape(3, 6)
print(repr(again.encode(tokens, torch.arange(6)).double().sum().item()))
"#;
    let Some(output) = python(program, &[path.to_str().unwrap()]) else {
        return;
    };
    let wanted = model.encode(&tokens(3, 6), &Tensor::arange(6, (Kind::Int64, Device::Cpu)));
    assert!(
        (output.trim().parse::<f64>().unwrap() - sum(&wanted)).abs() < 1e-6,
        "{output}"
    );
}
