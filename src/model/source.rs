//! The embedding of a model's input.

use super::embedding::{self, Extent, PositionEmbedding};
use super::pair::CellEmbedding;
use super::values::ValueEmbedding;
use crate::dataset::Format;
use crate::encoding::Input;
use crate::recipe::{Architecture, Config};
use tch::{Kind, Tensor, nn};

/// The sum of the embeddings of content and position.
#[derive(Debug)]
pub struct SourceEmbedding {
    content: Content,
    /// The vector of each task, which precedes a value input, `[tasks, width]`; `None` for a model of one problem.
    tasks: Option<Tensor>,
    places: Places,
}

/// The embedding of positions.
#[derive(Debug)]
enum Places {
    Sequence(PositionEmbedding),
    Grid(CellEmbedding),
}

#[derive(Debug)]
enum Content {
    Values(ValueEmbedding),
    /// The table `[vocabulary, width]`.
    Tokens(Tensor),
}

impl SourceEmbedding {
    /// `magnitude` is the bound of the training coefficients.
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
            places: match config.architecture {
                Architecture::Pair => {
                    Places::Grid(CellEmbedding::new(&path / "grid", config, extent.matrices, extent.dim))
                }
                _ => Places::Sequence(PositionEmbedding::new(&path / "positions", config, extent)),
            },
        }
    }

    /// Embeds `source` `[batch, length]` with `positions` `[length, 5]` as `[batch, length, width]`, or with cells as
    /// `[batch, side, side, width]`. The source is float32 values, after the task if there are several, or int64
    /// tokens.
    pub fn forward(&self, source: &Tensor, positions: &Tensor, kind: Kind) -> Tensor {
        let task = |tasks| embedding::lookup(tasks, &source.slice(1, 0, 1, 1).to_kind(Kind::Int64));
        match (&self.places, &self.content) {
            (Places::Grid(cells), Content::Values(values)) => {
                let state = cells.forward(source, positions, kind, |numbers| values.forward(numbers, kind));
                match &self.tasks {
                    Some(tasks) => state + task(tasks).unsqueeze(1),
                    None => state,
                }
            }
            (Places::Grid(_), Content::Tokens(_)) => unreachable!("a grid is of values"),
            (Places::Sequence(places), content) => {
                let content = match (content, &self.tasks) {
                    (Content::Values(values), None) => values.forward(source, kind),
                    (Content::Values(values), Some(tasks)) => {
                        // Without an end, the slice reads no size, so that a trace is valid at all lengths.
                        let numbers = values.forward(&source.slice(1, 1, None, 1), kind);
                        Tensor::cat(&[task(tasks), numbers], 1)
                    }
                    (Content::Tokens(table), _) => embedding::lookup(table, source),
                };
                content + places.forward(positions)
            }
        }
    }
}
