//! The parallel decoder: one query per output coefficient; each predicts its fields one after the other, sign before
//! exponent before mantissa, every field knowing those before it.

use super::architecture;
use super::block::Pass;
use super::embedding::{Extent, PositionEmbedding, deviation, lookup, table};
use super::layers::{FeedForward, Linear};
use super::pair::CellReader;
use super::stack::{self, DecoderStack, EncoderStack};
use crate::encoding::Encoding;
use crate::recipe::{Architecture, Config};
use tch::{Kind, Tensor, nn};

#[derive(Debug)]
pub struct ParallelDecoder {
    /// What the queries are; none where cells are read.
    positions: Option<PositionEmbedding>,
    /// The vector that a task adds to every query, `[tasks, width]`; none for a model of one problem.
    tasks: Option<Tensor>,
    body: Body,
    /// In prediction order.
    fields: Vec<FieldHead>,
}

/// How queries learn of the source.
#[derive(Debug)]
enum Body {
    /// They look at the memory of an encoder.
    Apart(Box<dyn DecoderStack>),
    /// They go through the encoder beside the source.
    Together(Box<dyn EncoderStack>),
    /// There are none: each coefficient has a cell of the memory.
    Cells(CellReader),
}

/// Predicts one field of the number.
#[derive(Debug)]
struct FieldHead {
    /// The vectors of this field's classes, for the fields that come after; none for the last.
    known: Option<Tensor>,
    /// Mixes the query with what is known of the number; none for the first field.
    mix: Option<FeedForward>,
    logits: Linear,
}

impl ParallelDecoder {
    /// `encoder` is given where queries go through it, and none looks at its memory.
    pub fn new(
        path: nn::Path,
        config: &Config,
        encoding: &dyn Encoding,
        extent: Extent,
        encoder: Option<Box<dyn EncoderStack>>,
    ) -> Self {
        let (memory, config) = (config.width, &config.of_decoder());
        let width = config.width;
        let is_pair = config.architecture == Architecture::Pair;
        let order = encoding.prediction_order();
        let head = |place: usize| {
            let field = &encoding.fields()[order[place]];
            let classes = field.classes() as i64;
            let path = &path / "fields" / field.name.as_str();
            FieldHead {
                known: (place + 1 < order.len()).then(|| table(&path, "known", classes, width, deviation(config))),
                mix: (place > 0).then(|| FeedForward::new(&path / "mix", width, 2 * width, true, config.activation)),
                logits: Linear::new(&path / "logits", width, classes, true),
            }
        };
        Self {
            positions: (!is_pair).then(|| PositionEmbedding::new(&path / "positions", config, extent)),
            tasks: (extent.tasks > 0).then(|| table(&path, "tasks", extent.tasks, width, deviation(config))),
            body: match encoder {
                None if is_pair => Body::Cells(CellReader::new(&path / "reader", width, extent.matrices)),
                None => Body::Apart(architecture::decoder(&path, config, memory)),
                Some(encoder) => Body::Together(encoder),
            },
            fields: (0..order.len()).map(head).collect(),
        }
    }

    pub fn fields(&self) -> usize {
        self.fields.len()
    }

    /// `memory` `[batch, sources, width]` (the embedded source where there is no decoder), `positions` `[count, 5]`, `tasks`
    /// `[batch]` where there are several: the hidden state `[batch, count, width]` of every output coefficient.
    pub fn query(
        &self,
        memory: &Tensor,
        mask: Option<&Tensor>,
        positions: &Tensor,
        tasks: Option<&Tensor>,
        pass: Pass,
    ) -> Tensor {
        let named = |x: Tensor| match (&self.tasks, tasks) {
            (Some(table), Some(tasks)) => x + lookup(table, tasks).unsqueeze(1),
            _ => x,
        };
        if let Body::Cells(reader) = &self.body {
            return named(reader.forward(memory, positions, pass.kind));
        }
        let embedding = self.positions.as_ref().expect("queries have positions");
        let queries = named(embedding.forward(positions).unsqueeze(0));
        match &self.body {
            Body::Cells(_) => unreachable!("read above"),
            // Of one task, all examples have the same queries: what happens before they look at the memory is done once.
            Body::Apart(stack) => stack.forward(&queries, memory, None, mask, pass),
            Body::Together(encoder) => {
                let queries = queries + stack::batch_of(memory);
                let ones = positions.select(1, 0).ones_like();
                let mask = mask.map(|mask| {
                    let queries = mask.narrow(3, 0, 1).ones_like().logical_and(&ones);
                    Tensor::cat(&[&queries, mask], 3)
                });
                // Queries first: padding stays last, and their places are known without reading a size.
                let x = encoder.forward(&Tensor::cat(&[&queries, memory], 1), mask.as_ref(), pass);
                x.index_select(1, &(ones.cumsum(0, Kind::Int64) - 1))
            }
        }
    }

    /// Logits `[batch, count, classes]` (fp32) of the field at `place` in prediction order; `known`
    /// `[batch, count, ≥ place]` are the classes of the fields before it, in the same order.
    pub fn field_logits(&self, place: usize, hidden: &Tensor, known: &Tensor, kind: Kind) -> Tensor {
        let mut state = hidden.shallow_clone();
        for (i, field) in self.fields[..place].iter().enumerate() {
            let table = field.known.as_ref().expect("only the last field has no table");
            state = &state + lookup(table, &known.select(-1, i as i64));
        }
        let field = &self.fields[place];
        if let Some(mix) = &field.mix {
            state = &state + mix.forward(&state, kind);
        }
        field.logits.forward(&state, kind).to_kind(Kind::Float)
    }
}
