//! Stand-ins for models, closures that compute exact answers, and for encodings, small integers.

use super::*;
use crate::dataset::Extent;
use crate::encoding::{Encoding, Field, OutOfRange, Part, Reading};
use crate::model::Readout;
use crate::problem;
use crate::torchscript::{Body, Method};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use tch::{CModule, Device, IValue, Kind, Tensor};

/// Integers of two digits: a sign, tens, ones, and an exponent that means nothing. Where zeros are short, numbers below 10
/// are zero and written `+ 0 E0`.
#[derive(Debug)]
pub struct Tiny {
    short_zero: bool,
    words: Vec<String>,
    fields: Vec<Field>,
}

impl Tiny {
    pub fn new(short_zero: bool) -> Self {
        let field = |name: &str, part, words| Field {
            name: name.into(),
            part,
            words,
        };
        Self {
            short_zero,
            words: ["+", "-"]
                .into_iter()
                .map(String::from)
                .chain((0..10).map(|digit| digit.to_string()))
                .chain((-100..=100).map(|exponent| format!("E{exponent}")))
                .collect(),
            fields: vec![
                field("sign", Part::Sign, 0..2),
                field("mantissa", Part::Mantissa { leading: true }, 2..12),
                field("mantissa2", Part::Mantissa { leading: false }, 2..12),
                field("exponent", Part::Exponent, 12..213),
            ],
        }
    }

    /// The codec in TorchScript.
    fn source(&self) -> String {
        let shortest = if self.short_zero { 10 } else { 0 };
        format!(
            r#"
def encode_numbers(self, numbers: Tensor) -> Tensor:
    size = numbers.abs().round().to(torch.int64)
    if bool((size > 99).any()):
        raise ValueError("numbers must be below 100")
    return torch.stack([(numbers < 0).to(torch.int64), size // 10, size % 10, torch.full_like(size, 100)], -1)


def decode_numbers(self, classes: Tensor) -> Tensor:
    size = 10 * classes[..., 1] + classes[..., 2]
    size = torch.where(size < {shortest}, torch.zeros_like(size), size)
    return ((1 - 2 * classes[..., 0]) * size).to(torch.float64)
"#
        )
    }
}

impl Encoding for Tiny {
    fn name(&self) -> &'static str {
        "tiny"
    }
    fn digits(&self) -> u32 {
        2
    }
    fn words(&self) -> &[String] {
        &self.words
    }
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn prediction_order(&self) -> &[usize] {
        &[1, 0, 3, 2]
    }
    fn encode(&self, _: f64, _: &mut [u32]) -> Result<(), OutOfRange> {
        unreachable!("the script encodes")
    }
    fn decode(&self, _: &[u32]) -> f64 {
        unreachable!("the script decodes")
    }
    fn is_variable_length(&self) -> bool {
        self.short_zero
    }
}

const WHOLE: (Kind, Device) = (Kind::Int64, Device::Cpu);

/// What a stand-in answers.
#[derive(Clone, Copy)]
pub enum Rule {
    Transpose,
    MatrixVector,
    /// `20 matrix + 4 row + column`, all from 0, whatever the operands are.
    Places,
}

/// Column of position indices, as float64 that broadcasts.
pub fn column(positions: &Tensor, index: i64) -> Tensor {
    positions.select(-1, index).to_kind(Kind::Double)
}

/// 1 where `queries [.., M]` equal `keys [.., N]`: `[.., M, N]`.
fn matches(queries: &Tensor, keys: &Tensor) -> Tensor {
    queries
        .unsqueeze(-1)
        .eq_tensor(&keys.unsqueeze(-2))
        .to_kind(Kind::Double)
}

/// `[B, N]` source and `[N, 5]` positions side by side: `[B, N, 6]`.
fn memory(source: &Tensor, positions: &Tensor) -> Tensor {
    let source = source.to_kind(Kind::Double).unsqueeze(-1);
    Tensor::cat(&[&source, &(&source * 0.0 + positions.to_kind(Kind::Double))], -1)
}

/// The numbers that a rule answers at `positions [M, 5]` from the values in a memory: `[B, M]`.
fn answer(rule: Rule, memory: &Tensor, positions: &Tensor) -> Tensor {
    let [value, matrix, row, col] = [0, 2, 3, 4].map(|index| memory.select(-1, index));
    let [of_matrix, of_row, of_col] = [1, 2, 3].map(|index| column(positions, index));
    match rule {
        Rule::Transpose => {
            let weights = matches(&of_row, &col) * matches(&of_col, &row);
            weights.matmul(&value.unsqueeze(-1)).squeeze_dim(-1)
        }
        Rule::MatrixVector => {
            let factors = (matches(&col, &row) * matrix.unsqueeze(-2))
                .matmul(&value.unsqueeze(-1))
                .squeeze_dim(-1);
            let terms: Tensor = &value * factors * (1.0 - &matrix);
            matches(&of_row, &row).matmul(&terms.unsqueeze(-1)).squeeze_dim(-1)
        }
        Rule::Places => value.narrow(1, 0, 1) * 0.0 + of_matrix * 20.0 + (of_row - 1.0) * 4.0 + (of_col - 1.0),
    }
}

/// Logits that are largest at `class`: `[..]` to `[.., classes]`.
fn peak(class: &Tensor, classes: i64) -> Tensor {
    -(class.unsqueeze(-1) - Tensor::arange(classes, (Kind::Double, Device::Cpu))).square()
}

fn method<'a>(name: &str, arguments: &[&'static str], samples: Vec<Tensor>, body: Body<'a>) -> Method<'a> {
    Method {
        name: name.into(),
        arguments: arguments.to_vec(),
        samples,
        body,
    }
}

fn samples(length: i64) -> [Tensor; 2] {
    [
        Tensor::ones([2, length], (Kind::Float, Device::Cpu)),
        Tensor::ones([length, 5], WHOLE),
    ]
}

fn codec() -> Codec {
    Codec {
        encode: "encode_numbers".into(),
        decode: "decode_numbers".into(),
    }
}

pub fn parallel_methods(rule: Rule, masked: bool) -> Vec<Method<'static>> {
    let [source, positions] = samples(4);
    let hidden = Tensor::ones([2, 3, 1], (Kind::Double, Device::Cpu));
    let mut query = method(
        "query",
        &["memory", "positions"],
        vec![memory(&source, &positions), Tensor::ones([3, 5], WHOLE)],
        Box::new(move |inputs| vec![answer(rule, &inputs[0], &inputs[1]).unsqueeze(-1)]),
    );
    if masked {
        query.arguments.push("memory_mask");
        query.samples.push(source.ne(1));
        // The number of tokens that are no padding.
        query.body = Box::new(|inputs| {
            let tokens = inputs[2]
                .to_kind(Kind::Double)
                .sum_dim_intlist(1, true, Kind::Double)
                .unsqueeze(-1);
            vec![tokens + answer(Rule::Places, &inputs[0], &inputs[1]).unsqueeze(-1) * 0.0]
        });
    }
    let field = |rank: i64, body: Body<'static>| {
        let known = Tensor::zeros([2, 3, rank], WHOLE);
        method(
            &format!("field_logits_{rank}"),
            &["hidden", "known"],
            vec![hidden.shallow_clone(), known],
            body,
        )
    };
    let number = |inputs: &[Tensor]| inputs[0].select(-1, 0);
    vec![
        method("encode_source", &["source", "positions"], vec![source, positions], {
            Box::new(|inputs| vec![memory(&inputs[0], &inputs[1])])
        }),
        query,
        field(
            0,
            Box::new(move |inputs| vec![peak(&(number(inputs).abs() / 10.0).floor(), 10)]),
        ),
        field(
            1,
            Box::new(move |inputs| vec![peak(&number(inputs).lt(0.0).to_kind(Kind::Double), 2)]),
        ),
        field(
            2,
            Box::new(move |inputs| vec![peak(&(number(inputs) * 0.0 + 100.0), 201)]),
        ),
        field(
            3,
            Box::new(move |inputs| vec![peak(&(number(inputs).abs() - inputs[1].select(-1, 0) * 10.0), 10)]),
        ),
    ]
}

pub struct Case {
    pub problem: &'static str,
    pub dimensions: Dimensions,
    pub input: Input,
    pub output: Tiny,
    pub target: Target,
}

impl Case {
    pub fn square(problem: &'static str, range: RangeInclusive<usize>) -> Self {
        let dimensions = Dimensions::Square(Extent::new(*range.start(), *range.end()).unwrap());
        let input = Input::Values {
            digits: 3,
            reading: Reading::Whole,
        };
        Self {
            problem,
            dimensions,
            input,
            output: Tiny::new(false),
            target: Target::Classes,
        }
    }

    pub fn rectangular(problem: &'static str, rows: RangeInclusive<usize>, cols: RangeInclusive<usize>) -> Self {
        let extent = |range: RangeInclusive<usize>| Extent::new(*range.start(), *range.end()).unwrap();
        Self {
            dimensions: Dimensions::rectangular(extent(rows), extent(cols)),
            ..Self::square(problem, 1..=1)
        }
    }

    pub fn autoregressive(problem: &'static str, range: RangeInclusive<usize>) -> Self {
        let input = Input::Tokens(Arc::new(Tiny::new(false)));
        Self {
            input,
            target: Target::Tokens,
            ..Self::square(problem, range)
        }
    }

    pub fn save(self, methods: Vec<Method>) -> Loaded {
        let mut module = Module {
            parameters: vec![],
            buffers: vec![],
            attributes: vec![],
            methods,
            source: self.output.source(),
            extra: BTreeMap::new(),
        };
        let format = Format {
            problem: problem::named(self.problem).unwrap(),
            problems: problem::named(self.problem).unwrap().into(),
            input: self.input,
            output: Arc::new(self.output),
            target: self.target,
        };
        let dimensions = self.dimensions;
        let interface = Interface {
            deviation: 10.0 / 3f64.sqrt(),
            format: &format,
            dimensions,
            input_codec: codec(),
            output_codec: codec(),
            grid: 0,
            readout: Readout::Median,
        };
        interface.add_to(&mut module).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.pt");
        module.save(&path).unwrap();
        Loaded {
            module: CModule::load(&path).unwrap(),
            path,
            format,
            _folder: folder,
        }
    }
}

pub struct Loaded {
    pub module: CModule,
    pub path: PathBuf,
    pub format: Format,
    _folder: tempfile::TempDir,
}

impl Loaded {
    pub fn call(&self, method: &str, arguments: &[&Tensor]) -> Tensor {
        self.module.method_ts(method, arguments).unwrap()
    }

    pub fn error(&self, method: &str, arguments: &[&Tensor]) -> String {
        let error = self.module.method_ts(method, arguments).unwrap_err().to_string();
        let start = error.rfind("ValueError: ").unwrap_or_else(|| panic!("{error}")) + "ValueError: ".len();
        error[start..].lines().next().unwrap().to_owned()
    }

    pub fn tuple(&self, method: &str, arguments: &[&Tensor]) -> Vec<Tensor> {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|tensor| IValue::Tensor(tensor.shallow_clone()))
            .collect();
        let IValue::Tuple(values) = self.module.method_is(method, &arguments).unwrap() else {
            panic!("no tuple")
        };
        values
            .into_iter()
            .map(|value| Tensor::try_from(value).unwrap())
            .collect()
    }
}

/// An autoregressive stand-in of 2x2 transposition; source and target are tokens.
pub fn transposing_methods() -> Vec<Method<'static>> {
    let (tokens, positions) = (Tensor::ones([2, 6], WHOLE), Tensor::ones([6, 5], WHOLE));
    let memory_sample = memory(&tokens, &positions);
    let cross = |memory: &Tensor| {
        let keys = memory.unsqueeze(1);
        Tensor::stack(&[&keys, &keys], 0).unsqueeze(0)
    };
    let cross_sample = cross(&memory_sample);
    vec![
        method("encode_source", &["source", "positions"], vec![tokens, positions], {
            Box::new(|inputs| vec![memory(&inputs[0], &inputs[1])])
        }),
        method(
            "start",
            &["memory"],
            vec![memory_sample],
            Box::new(move |inputs| {
                let cross = cross(&inputs[0]);
                let cache = cross.narrow(4, 0, 0);
                vec![cross, cache]
            }),
        ),
        step_method(&cross_sample, |tokens, place, cross, _| {
            let memory = cross.select(0, 0).select(0, 0).select(1, 0);
            // The number and field of the next token, from 0, after <s> V2 V2.
            let next: Tensor = place - 2.0;
            let number = (&next / 4.0).floor();
            let field = &next - &number * 4.0;
            let (row, col) = ((&number / 2.0).floor() + 1.0, number.remainder(2.0) + 1.0);
            let digit = |field: i64| {
                let keys = [3, 4, 5].map(|index| memory.select(-1, index));
                let at = keys[0]
                    .eq_tensor(&col)
                    .logical_and(&keys[1].eq_tensor(&row))
                    .logical_and(&keys[2].eq(field));
                (at.to_kind(Kind::Double) * memory.select(-1, 0)).sum_dim_intlist(1, true, Kind::Double)
            };
            let word = |index: i64| digit(index + 1) * field.eq(index).to_kind(Kind::Double);
            peak(&(word(0) + word(1) + word(2) + word(3)).squeeze_dim(1), 315) + tokens * 0.0
        }),
    ]
}

/// `decode_step` whose logits `[B, V]` come from tokens `[B, 1]`, place `[1]`, cross and cache; the cache keeps the tokens.
pub fn step_method(cross: &Tensor, logits: fn(&Tensor, &Tensor, &Tensor, &Tensor) -> Tensor) -> Method<'static> {
    let past = cross.narrow(4, 0, 3);
    method(
        "decode_step",
        &["tokens", "positions", "cross", "cache"],
        vec![
            Tensor::ones([2, 1], WHOLE),
            Tensor::ones([1, 5], WHOLE),
            cross.shallow_clone(),
            past,
        ],
        Box::new(move |inputs| {
            let tokens = inputs[0].to_kind(Kind::Double);
            let entry = inputs[2].narrow(4, 0, 1).zeros_like() + tokens.unsqueeze(1).unsqueeze(-1);
            let logits = logits(&tokens, &column(&inputs[1], 0), &inputs[2], &inputs[3]);
            vec![logits, Tensor::cat(&[&inputs[3], &entry], 4)]
        }),
    )
}
