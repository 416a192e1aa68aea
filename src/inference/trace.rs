//! The forward pass of a model as traced methods, which run in fp32.
//!
//! Every model has `encode_source(source, positions [S, 5]) -> memory [B, S, d]`. The source is float32 values `[B, S]` or int64
//! tokens `[B, S]`. A model of several problems takes the task before the source.
//!
//! A parallel decoder has `query(memory, positions [M, 5], tasks [B], mask [B, S]) -> hidden [B, M, d]`, and for every field, in
//! prediction order, `field_logits_0(hidden, known [B, M, 0]) -> [B, M, classes]`, `field_logits_1(hidden, known [B, M, 1])`, …
//!
//! An autoregressive one has `start(memory) -> (cross, cache)`, where cross `[L, 2, B, H, S, dh]` are keys and values of the
//! memory and cache is the cache before the first step. Each step is `decode_step(tokens [B, 1], positions [1, 5], cross, cache,
//! mask) -> (logits [B, V], cache)`. The cache holds keys and values `[L, 2, B, H, t, dh]`, or states `[L, states, B, d]`.
//!
//! `tasks` are int64; only models of several problems read them. `mask` is false at padding; only models with padded sources read
//! it.

use crate::dataset::{Format, Target};
use crate::encoding::Input;
use crate::model::{AutoregressiveDecoder, Decoder, Model, ParallelDecoder, Pass, most_operands};
use crate::recipe::Architecture;
use std::fmt::Write;
use tch::{Kind, Tensor};

/// The computation of a traced method: tensors in, one or more tensors out.
pub(super) type Body<'a> = Box<dyn Fn(&[Tensor]) -> Vec<Tensor> + 'a>;

/// A method to be traced.
pub(super) struct Method<'a> {
    pub name: String,
    pub arguments: Vec<&'static str>,
    /// Example arguments. Batch size and lengths are at least 2 and all differ, so that the tracer bakes in no constants.
    pub samples: Vec<Tensor>,
    /// Several outputs become a tuple.
    pub body: Body<'a>,
}

/// Source of `field_logits(rank, hidden, known)`, which calls the traced method of a field. Empty for models that write tokens.
pub(super) fn dispatch(format: &Format) -> String {
    let mut source = String::new();
    if format.target == Target::Classes {
        source.push_str("\n\ndef field_logits(self, rank: int, hidden: Tensor, known: Tensor) -> Tensor:\n");
        let last = format.output.fields().len() - 1;
        for rank in 0..last {
            let _ = write!(
                source,
                "    if rank == {rank}:\n        return self.field_logits_{rank}(hidden, known)\n"
            );
        }
        let _ = writeln!(source, "    return self.field_logits_{last}(hidden, known)");
    }
    source
}

/// The traced methods of a model. Its parameters must be registered under the names of [`Model::variables`].
pub(super) fn methods(model: &Model) -> Vec<Method<'_>> {
    let _no_grad = tch::no_grad_guard();
    let pass = model.pass(Kind::Float);
    let source = match model.format().input {
        Input::Values { .. } => Tensor::ones([BATCH, SOURCES], (Kind::Float, model.device())),
        // Token 2 is in every vocabulary and is not padding.
        Input::Tokens(_) => Tensor::full([BATCH, SOURCES], 2, (Kind::Int64, model.device())),
    };
    let source_positions = source_positions(model);
    let memory = model.encode(&source, &source_positions, pass);
    let mask = source.ones_like().to_kind(Kind::Bool);
    let encode: Body = Box::new(move |inputs| vec![model.encode(&inputs[0], &inputs[1], pass)]);
    let mut methods = vec![method(
        "encode_source",
        &["source", "positions"],
        vec![source, source_positions],
        encode,
    )];
    methods.extend(match model.decoder() {
        Decoder::Parallel(decoder) => parallel(model, decoder, pass, memory, mask),
        Decoder::Autoregressive(decoder) => autoregressive(model, decoder, pass, memory, mask),
    });
    methods
}

// Sizes of the samples, all different, so that the tracer cannot confuse them.
const BATCH: i64 = 2;
const SOURCES: i64 = 5;
const TARGETS: i64 = 3;
const PAST: i64 = 4;

fn method<'a>(name: &str, arguments: &[&'static str], samples: Vec<Tensor>, body: Body<'a>) -> Method<'a> {
    Method {
        name: name.into(),
        arguments: arguments.to_vec(),
        samples,
        body,
    }
}

/// Sample positions of the source. For a pair model: a grid of two rows with the first coefficients.
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

/// Sample positions: zeros, which every table contains.
fn positions(model: &Model, length: i64) -> Tensor {
    Tensor::zeros([length, 5], (Kind::Int64, model.device()))
}

/// Reshapes a mask `[batch, length]` to `[batch, 1, 1, length]` for attention; `None` if sources are never padded.
fn attention_mask(model: &Model, mask: &Tensor) -> Option<Tensor> {
    model.format().pads_source().then(|| mask.unsqueeze(1).unsqueeze(1))
}

fn parallel<'a>(
    model: &'a Model,
    decoder: &'a ParallelDecoder,
    pass: Pass,
    memory: Tensor,
    mask: Tensor,
) -> Vec<Method<'a>> {
    let targets = positions(model, TARGETS);
    let tasks = Tensor::zeros([BATCH], (Kind::Int64, model.device()));
    let several = model.formats().len() > 1;
    let query = move |memory: &Tensor, positions: &Tensor, tasks: &Tensor, mask: &Tensor| {
        let tasks = several.then_some(tasks);
        decoder.query(memory, attention_mask(model, mask).as_ref(), positions, tasks, pass)
    };
    let hidden = query(&memory, &targets, &tasks, &mask);
    let fields = (0..decoder.fields()).map(|place| {
        let known = Tensor::zeros([BATCH, TARGETS, place as i64], (Kind::Int64, model.device()));
        let logits: Body = Box::new(move |inputs| vec![decoder.field_logits(place, &inputs[0], &inputs[1], pass.kind)]);
        let name = format!("field_logits_{place}");
        method(&name, &["hidden", "known"], vec![hidden.shallow_clone(), known], logits)
    });
    let fields: Vec<_> = fields.collect();
    let query: Body = Box::new(move |inputs| vec![query(&inputs[0], &inputs[1], &inputs[2], &inputs[3])]);
    let arguments = ["memory", "positions", "tasks", "mask"];
    let query = method("query", &arguments, vec![memory, targets, tasks, mask], query);
    std::iter::once(query).chain(fields).collect()
}

fn autoregressive<'a>(
    model: &'a Model,
    decoder: &'a AutoregressiveDecoder,
    pass: Pass,
    memory: Tensor,
    mask: Tensor,
) -> Vec<Method<'a>> {
    let tokens = Tensor::zeros([BATCH, 1], (Kind::Int64, model.device()));
    let (cross, empty) = decoder.start(&memory, pass.kind);
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
        let mask = attention_mask(model, &inputs[4]);
        let (logits, cache) = decoder.step(&inputs[0], &inputs[1], &inputs[2], &inputs[3], mask.as_ref(), pass);
        vec![logits, cache]
    });
    let arguments = ["tokens", "positions", "cross", "cache", "mask"];
    let samples = vec![tokens, positions(model, 1), cross, past, mask];
    vec![
        method("start", &["memory"], vec![memory], start),
        method("decode_step", &arguments, samples, step),
    ]
}
