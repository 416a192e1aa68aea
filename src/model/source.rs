//! What a model reads, as vectors.

use super::embedding::{self, Extent, PositionEmbedding};
use super::pair::CellEmbedding;
use super::values::ValueEmbedding;
use crate::dataset::Format;
use crate::encoding::Input;
use crate::recipe::{Architecture, Config};
use tch::{Kind, Tensor, nn};

/// The sum of what stands in a source and of where it stands.
#[derive(Debug)]
pub struct SourceEmbedding {
    content: Content,
    /// The vector that stands for a task before a source of values, `[tasks, width]`; none for a model of one problem.
    tasks: Option<Tensor>,
    places: Places,
}

/// Where numbers or tokens stand.
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
            places: match config.architecture {
                Architecture::Pair => {
                    Places::Grid(CellEmbedding::new(&path / "grid", config, extent.matrices, extent.dim))
                }
                _ => Places::Sequence(PositionEmbedding::new(&path / "positions", config, extent)),
            },
        }
    }

    /// `source` `[batch, length]` (fp32 values, after the task where there are several; or int64 tokens), `positions`
    /// `[length, 5]` to `[batch, length, width]`; or positions of cells to `[batch, side, side, width]`.
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
                        // An end that is not given is none of a size, so that a trace holds at every length.
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
