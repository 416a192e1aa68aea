//! What a model reads, as vectors.

use super::config::Config;
use super::embedding::{self, Extent, PositionEmbedding};
use super::values::ValueEmbedding;
use crate::dataset::Format;
use crate::encoding::Input;
use tch::{Kind, Tensor, nn};

/// The sum of what stands in a source and of where it stands.
#[derive(Debug)]
pub struct SourceEmbedding {
    content: Content,
    /// The vector that stands for a task before a source of values, `[tasks, width]`; none for a model of one problem.
    tasks: Option<Tensor>,
    positions: PositionEmbedding,
}

#[derive(Debug)]
enum Content {
    Values(ValueEmbedding),
    /// The table `[vocabulary, width]`.
    Tokens(Tensor),
}

impl SourceEmbedding {
    /// `magnitude` is the bound of the coefficients of a model's training.
    pub fn new(path: nn::Path, config: &Config, format: &Format, extent: Extent, magnitude: f64) -> Self {
        let table = |name, entries| embedding::table(&path, name, entries, config.width, embedding::deviation(config));
        let content = match (&format.input, format.source_vocabulary()) {
            (Input::Values { digits, .. }, _) => {
                let digits = i64::from(*digits);
                Content::Values(ValueEmbedding::new(&path / "values", config, magnitude, digits))
            }
            (Input::Tokens(_), vocabulary) => {
                let entries = vocabulary.map_or(0, |vocabulary| vocabulary.size());
                Content::Tokens(table("tokens", entries as i64))
            }
        };
        let names_task = matches!(content, Content::Values(_)) && extent.tasks > 0;
        Self {
            content,
            tasks: names_task.then(|| table("tasks", extent.tasks)),
            positions: PositionEmbedding::new(&path / "positions", config, extent),
        }
    }

    /// `source` `[batch, length]` (fp32 values, after the task where there are several; or int64 tokens), `positions`
    /// `[length, 5]` to `[batch, length, width]`.
    pub fn forward(&self, source: &Tensor, positions: &Tensor, kind: Kind) -> Tensor {
        let content = match (&self.content, &self.tasks) {
            (Content::Values(values), None) => values.forward(source, kind),
            (Content::Values(values), Some(tasks)) => {
                // An end that is not given is none of a size, so that a trace holds at every length.
                let (task, numbers) = (source.slice(1, 0, 1, 1), source.slice(1, 1, None, 1));
                let task = embedding::lookup(tasks, &task.to_kind(Kind::Int64));
                Tensor::cat(&[task, values.forward(&numbers, kind)], 1)
            }
            (Content::Tokens(table), _) => embedding::lookup(table, source),
        };
        content + self.positions.forward(positions)
    }
}
