//! The parallel decoder, with one query per output coefficient. The fields of a coefficient are predicted in sequence
//! (sign, exponent, mantissa), each given the previous ones.

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
    /// The embedding of queries; `None` if the decoder reads cells.
    positions: Option<PositionEmbedding>,
    /// Added to each query, one vector per task, `[tasks, width]`; `None` for a model of one problem.
    tasks: Option<Tensor>,
    body: Body,
    /// The heads in prediction order.
    fields: Vec<FieldHead>,
}

/// The connection of queries to the source.
#[derive(Debug)]
enum Body {
    /// Queries attend to the encoder's output.
    Apart(Box<dyn DecoderStack>),
    /// Queries pass through the encoder, beside the source.
    Together(Box<dyn EncoderStack>),
    /// No queries: each output coefficient is read from a cell of the encoder's output.
    Cells(CellReader),
}

/// The head that predicts one field.
#[derive(Debug)]
struct FieldHead {
    /// Embedding of this field's classes, for the fields after it; `None` for the last field.
    known: Option<Tensor>,
    /// Combines the query with the embeddings of the previous fields; `None` for the first field.
    mix: Option<FeedForward>,
    logits: Linear,
}

impl ParallelDecoder {
    /// `encoder` is given if queries pass through it.
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

    /// The hidden state `[batch, count, width]` of each output coefficient. `memory` `[batch, sources, width]` is the
    /// encoder's output, or the embedded source if queries pass through the encoder. `positions` is `[count, 5]`,
    /// `tasks` `[batch]` if there are several.
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
            // For a single task, all examples have the same queries, so the layers before cross-attention run only
            // once.
            Body::Apart(stack) => stack.forward(&queries, memory, None, mask, pass),
            Body::Together(encoder) => {
                let queries = queries + stack::batch_of(memory);
                let ones = positions.select(1, 0).ones_like();
                let mask = mask.map(|mask| {
                    let queries = mask.narrow(3, 0, 1).ones_like().logical_and(&ones);
                    Tensor::cat(&[&queries, mask], 3)
                });
                // Queries come first, so that padding stays last and their indices are known without reading a size.
                let x = encoder.forward(&Tensor::cat(&[&queries, memory], 1), mask.as_ref(), pass);
                x.index_select(1, &(ones.cumsum(0, Kind::Int64) - 1))
            }
        }
    }

    /// Logits `[batch, count, classes]` (float32) of the field with index `place` in prediction order. `known`
    /// `[batch, count, ≥ place]` has the classes of the previous fields in that order.
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
