//! The parallel decoder: one query per output coefficient; each predicts its fields one after the other, sign before
//! exponent before mantissa, every field knowing those before it.

use super::block::{DecoderLayer, Memory, Pass};
use super::config::Config;
use super::embedding::{Extent, PositionEmbedding, deviation, lookup, table};
use super::layers::{FeedForward, Linear, Norm};
use crate::encoding::Encoding;
use tch::{Kind, Tensor, nn};

#[derive(Debug)]
pub struct ParallelDecoder {
    positions: PositionEmbedding,
    /// The vector that a task adds to every query, `[tasks, width]`; none for a model of one problem.
    tasks: Option<Tensor>,
    layers: Vec<DecoderLayer>,
    norm: Norm,
    /// In prediction order.
    fields: Vec<FieldHead>,
    post: bool,
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
    pub fn new(path: nn::Path, config: &Config, encoding: &dyn Encoding, extent: Extent) -> Self {
        let width = config.width;
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
            positions: PositionEmbedding::new(&path / "positions", config, extent),
            tasks: (extent.tasks > 0).then(|| table(&path, "tasks", extent.tasks, width, deviation(config))),
            layers: (0..config.decoder_layers)
                .map(|i| DecoderLayer::new(&path / "layers" / i, config))
                .collect(),
            norm: Norm::new(&path / "norm", width, config.normalization),
            fields: (0..order.len()).map(head).collect(),
            post: config.is_post_norm(),
        }
    }

    pub fn fields(&self) -> usize {
        self.fields.len()
    }

    /// `memory` `[batch, sources, width]`, `positions` `[count, 5]`, `tasks` `[batch]` where there are several: the hidden
    /// state `[batch, count, width]` of every output coefficient.
    pub fn query(
        &self,
        memory: &Tensor,
        mask: Option<&Tensor>,
        positions: &Tensor,
        tasks: Option<&Tensor>,
        pass: Pass,
    ) -> Tensor {
        // Zeros of shape [batch, 1, width] give the queries their batch without reading a size.
        let batch = memory.narrow(1, 0, 1).zeros_like();
        let queries = batch + self.positions.forward(positions);
        let mut x = match (&self.tasks, tasks) {
            (Some(table), Some(tasks)) => queries + lookup(table, tasks).unsqueeze(1),
            _ => queries,
        };
        if self.post {
            x = self.norm.forward(&x);
        }
        for layer in &self.layers {
            let cache = layer.cross_cache(memory, pass.kind);
            x = layer.forward(&x, None, &Memory { cache: &cache, mask }, pass);
        }
        if self.post { x } else { self.norm.forward(&x) }
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
