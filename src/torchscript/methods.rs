//! The forward pass of a model as methods to be traced. They run in fp32, as [`Model::generate`] does.
//!
//! Every model has `encode_source(source, positions [S, 5]) -> memory [B, S, d]`, where source is float32 values `[B, S]` or
//! int64 tokens `[B, S]`. Where sources are padded, the methods marked * take one more argument, `memory_mask` (bool
//! `[B, S]`, true for what is no padding). Where a model answers several problems, a source of values begins with the task,
//! and `query` takes `tasks [B]` (int64) before the mask.
//!
//! A parallel decoder has `query(memory, positions [M, 5]) -> hidden [B, M, d]`*, and for every field, in prediction order,
//! `field_logits_0(hidden, known [B, M, 0]) -> [B, M, classes]`, `field_logits_1(hidden, known [B, M, 1])`, …
//!
//! An autoregressive one has `start(memory) -> (cross, cache)`, where cross `[L, 2, B, H, S, dh]` are keys and values of the
//! memory and cache is what no step has left, and `decode_step(tokens [B, 1], positions [1, 5], cross, cache) -> (logits
//! [B, V], cache)`*. The cache is of keys and values `[L, 2, B, H, t, dh]`, or of states `[L, states, B, d]`.

use super::{Body, Method};
use crate::encoding::Input;
use crate::model::{Architecture, AutoregressiveDecoder, Decoder, Model, ParallelDecoder, Pass, most_operands};
use tch::{Kind, Tensor};

/// The methods of a model, whose parameters must be registered under the names of [`Model::variables`].
pub fn methods(model: &Model) -> Vec<Method<'_>> {
    let _no_grad = tch::no_grad_guard();
    let pass = model.pass(Kind::Float);
    let source = match model.format().input {
        Input::Values { .. } => Tensor::ones([BATCH, SOURCES], (Kind::Float, model.device())),
        // A token that every vocabulary has and that is no padding.
        Input::Tokens(_) => Tensor::full([BATCH, SOURCES], 2, (Kind::Int64, model.device())),
    };
    let source_positions = source_positions(model);
    let samples = Samples {
        memory: model.encode(&source, &source_positions, pass),
        mask: model
            .format()
            .pads_source()
            .then(|| source.ones_like().to_kind(Kind::Bool)),
    };
    let encode: Body = Box::new(move |inputs| vec![model.encode(&inputs[0], &inputs[1], pass)]);
    let mut methods = vec![method(
        "encode_source",
        &["source", "positions"],
        vec![source, source_positions],
        encode,
    )];
    methods.extend(match model.decoder() {
        Decoder::Parallel(decoder) => parallel(model, decoder, pass, samples),
        Decoder::Autoregressive(decoder) => autoregressive(model, decoder, pass, samples),
    });
    methods
}

// Sizes of the samples: all different, so that none is taken for another.
const BATCH: i64 = 2;
const SOURCES: i64 = 5;
const TARGETS: i64 = 3;
const PAST: i64 = 4;

struct Samples {
    memory: Tensor,
    mask: Option<Tensor>,
}

impl Samples {
    /// Adds the mask to a method, where there is one.
    fn masked<'a>(&self, mut method: Method<'a>) -> Method<'a> {
        if let Some(mask) = &self.mask {
            method.arguments.push("memory_mask");
            method.samples.push(mask.shallow_clone());
        }
        method
    }
}

fn method<'a>(name: &str, arguments: &[&'static str], samples: Vec<Tensor>, body: Body<'a>) -> Method<'a> {
    Method {
        name: name.into(),
        arguments: arguments.to_vec(),
        samples,
        body,
    }
}

/// Positions of the source, or of a pair model a grid of two rows that has the first coefficients.
fn source_positions(model: &Model) -> Tensor {
    match model.config().architecture {
        Architecture::Pair => {
            let operands = most_operands(model.formats());
            Tensor::arange(4, (Kind::Int64, model.device()))
                .view([1, 2, 2])
                .repeat([operands, 1, 1])
        }
        _ => positions(model, SOURCES),
    }
}

/// Positions that every table has: the first.
fn positions(model: &Model, length: i64) -> Tensor {
    Tensor::zeros([length, 5], (Kind::Int64, model.device()))
}

/// `[batch, length]`, if it is given, as attention wants it.
fn attention_mask(mask: Option<&Tensor>) -> Option<Tensor> {
    mask.map(|mask| mask.unsqueeze(1).unsqueeze(1))
}

fn parallel<'a>(model: &'a Model, decoder: &'a ParallelDecoder, pass: Pass, samples: Samples) -> Vec<Method<'a>> {
    let targets = positions(model, TARGETS);
    let tasks = (model.formats().len() > 1).then(|| Tensor::zeros([BATCH], (Kind::Int64, model.device())));
    let hidden = decoder.query(&samples.memory, None, &targets, tasks.as_ref(), pass);
    let several = tasks.is_some();
    let query: Body = Box::new(move |inputs| {
        let (tasks, mask) = if several {
            (inputs.get(2), inputs.get(3))
        } else {
            (None, inputs.get(2))
        };
        vec![decoder.query(&inputs[0], attention_mask(mask).as_ref(), &inputs[1], tasks, pass)]
    });
    let mut query = method(
        "query",
        &["memory", "positions"],
        vec![samples.memory.shallow_clone(), targets],
        query,
    );
    if let Some(tasks) = tasks {
        query.arguments.push("tasks");
        query.samples.push(tasks);
    }
    let fields = (0..decoder.fields()).map(|place| {
        let known = Tensor::zeros([BATCH, TARGETS, place as i64], (Kind::Int64, model.device()));
        let logits: Body = Box::new(move |inputs| vec![decoder.field_logits(place, &inputs[0], &inputs[1], pass.kind)]);
        let name = format!("field_logits_{place}");
        method(&name, &["hidden", "known"], vec![hidden.shallow_clone(), known], logits)
    });
    std::iter::once(samples.masked(query)).chain(fields).collect()
}

fn autoregressive<'a>(
    model: &'a Model,
    decoder: &'a AutoregressiveDecoder,
    pass: Pass,
    samples: Samples,
) -> Vec<Method<'a>> {
    let tokens = Tensor::zeros([BATCH, 1], (Kind::Int64, model.device()));
    let (cross, empty) = decoder.start(&samples.memory, pass.kind);
    let past = (0..PAST).fold(empty, |cache, _| {
        decoder
            .step(&tokens, &positions(model, 1), &cross, &cache, None, pass)
            .1
    });
    let start: Body = Box::new(move |inputs| {
        let (cross, cache) = decoder.start(&inputs[0], pass.kind);
        vec![cross, cache]
    });
    let step: Body = Box::new(move |inputs| {
        let mask = attention_mask(inputs.get(4));
        let (logits, cache) = decoder.step(&inputs[0], &inputs[1], &inputs[2], &inputs[3], mask.as_ref(), pass);
        vec![logits, cache]
    });
    let arguments = ["tokens", "positions", "cross", "cache"];
    let step = method(
        "decode_step",
        &arguments,
        vec![tokens, positions(model, 1), cross, past],
        step,
    );
    vec![
        method("start", &["memory"], vec![samples.memory.shallow_clone()], start),
        samples.masked(step),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, Batcher};
    use crate::dataset::{Example, Format};
    use crate::encoding;
    use crate::matrix::{Matrix, Shape};
    use crate::model::{Architecture, Config, DecoderKind, Positions, ValueFeatures};
    use crate::problem;
    use crate::torchscript::Module;
    use std::collections::BTreeMap;
    use tch::{CModule, Device, IValue};

    const SIZE: Shape = Shape::new(3, 3);

    /// A small model of eigenvalues up to 4x4, with seven examples of 3x3.
    fn model(architecture: Architecture, input: &str, output: &str) -> (Model, Batch) {
        let mut config = Config::preset(architecture);
        (config.width, config.heads, config.decoder_heads) = (32, 4, 2);
        (config.encoder_layers, config.decoder_layers) = (2, 2);
        model_of(&config, input, output)
    }

    fn model_of(config: &Config, input: &str, output: &str) -> (Model, Batch) {
        let format = Format {
            problem: problem::named("eigenvalues").unwrap(),
            problems: problem::named("eigenvalues").unwrap().into(),
            input: input.parse().unwrap(),
            output: encoding::named(output).unwrap(),
            target: Decoder::target(config.decoder),
        };
        tch::manual_seed(5);
        let model = Model::new(config, &format, Shape::new(4, 4), 10.0, Device::Cpu);
        let examples: Vec<_> = (0..7u32)
            .map(|shift| {
                let operand = Matrix::from_fn(3, 3, |i, j| {
                    // Zeros, so that P10 pads.
                    if i + j == 1 && shift % 2 == 0 {
                        0.0
                    } else {
                        1.25 * (i + j) as f64 + f64::from(shift)
                    }
                });
                let mut solution = [Matrix::zeros(3, 1)];
                format
                    .problem
                    .solve(std::slice::from_ref(&operand), &mut solution)
                    .unwrap();
                Example {
                    operands: vec![operand],
                    solution: solution.to_vec(),
                    clean: Vec::new(),
                }
            })
            .collect();
        let batch = Batcher::new(format).batch(SIZE, &examples).unwrap();
        (model, batch)
    }

    fn traced(model: &Model) -> CModule {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.pt");
        let module = Module {
            parameters: model.variables().into_iter().collect(),
            buffers: vec![],
            attributes: vec![],
            methods: methods(model),
            source: String::new(),
            extra: BTreeMap::new(),
        };
        module.save(&path).unwrap();
        CModule::load(&path).unwrap()
    }

    fn assert_close(a: &Tensor, b: &Tensor) {
        assert_eq!(a.size(), b.size());
        let difference = (a - b).abs().max().double_value(&[]);
        assert!(difference <= 1e-5, "{difference}");
    }

    fn mask(model: &Model, source: &Tensor) -> Option<Tensor> {
        model.format().pads_source().then(|| source.ne(encoding::PAD))
    }

    #[test]
    fn a_traced_parallel_decoder_gives_the_models_logits() {
        for input in ["values", "P1000", "P10"] {
            let (model, batch) = model(Architecture::Laformer, input, "P1000");
            assert_parallel_trace_is_exact(&model, &batch);
        }
    }

    #[test]
    fn traces_of_every_architecture_give_the_models_logits() {
        let mut count = 0;
        for (name, config) in Config::variants() {
            for input in ["values", "P1000", "P10"] {
                if input == "P10" && config.positions != Positions::Flat
                    || input != "values"
                        && (config.value_features != ValueFeatures::All || config.architecture == Architecture::Pair)
                {
                    continue;
                }
                println!("{name} {input}");
                let (model, batch) = model_of(&config, input, "P1000");
                match config.decoder {
                    DecoderKind::Autoregressive => assert_autoregressive_trace_is_exact(&model, &batch),
                    DecoderKind::Parallel | DecoderKind::None => assert_parallel_trace_is_exact(&model, &batch),
                }
                count += 1;
            }
        }
        assert!(count > 20, "{count}");
    }

    fn assert_parallel_trace_is_exact(model: &Model, batch: &Batch) {
        let _no_grad = tch::no_grad_guard();
        let module = traced(model);
        let positions = model.positions_of(&batch.source, SIZE);
        let memory = module.method_ts("encode_source", &[&batch.source, &positions]).unwrap();
        let mut arguments = vec![memory, model.target_positions(SIZE)];
        arguments.extend(mask(model, &batch.source));
        let hidden = module.method_ts("query", &arguments).unwrap();
        let known = model.in_prediction_order(&batch.target);
        let wanted = model.logits(&batch.source, &batch.target, SIZE, Kind::Float);
        for (place, wanted) in wanted.iter().enumerate() {
            let arguments = [hidden.shallow_clone(), known.narrow(2, 0, place as i64)];
            assert_close(
                &module.method_ts(&format!("field_logits_{place}"), &arguments).unwrap(),
                wanted,
            );
        }
    }

    #[test]
    fn a_traced_autoregressive_decoder_gives_the_models_logits() {
        for input in ["P1000", "P10"] {
            let (model, batch) = model(Architecture::Paper, input, "P1000");
            assert_autoregressive_trace_is_exact(&model, &batch);
        }
    }

    fn assert_autoregressive_trace_is_exact(model: &Model, batch: &Batch) {
        let _no_grad = tch::no_grad_guard();
        let module = traced(model);
        let positions = model.positions_of(&batch.source, SIZE);
        let memory = module.method_ts("encode_source", &[&batch.source, &positions]).unwrap();
        let mut started = match module.method_is("start", &[IValue::Tensor(memory)]).unwrap() {
            IValue::Tuple(started) => started.into_iter().map(|value| Tensor::try_from(value).unwrap()),
            other => panic!("two outputs are a tuple, not {other:?}"),
        };
        let (cross, mut cache) = (started.next().unwrap(), started.next().unwrap());
        let wanted = &model.logits(&batch.source, &batch.target, SIZE, Kind::Float)[0];
        let places = model.target_positions(SIZE);
        for step in 0..wanted.size()[1] {
            let tokens = batch.target.narrow(1, step, 1);
            let mut arguments = vec![tokens, places.narrow(0, step, 1), cross.shallow_clone(), cache];
            arguments.extend(mask(model, &batch.source));
            let arguments: Vec<_> = arguments.into_iter().map(IValue::Tensor).collect();
            let IValue::Tuple(mut outputs) = module.method_is("decode_step", &arguments).unwrap() else {
                panic!("two outputs are a tuple")
            };
            cache = Tensor::try_from(outputs.remove(1)).unwrap();
            assert_close(&Tensor::try_from(outputs.remove(0)).unwrap(), &wanted.select(1, step));
        }
    }
}
