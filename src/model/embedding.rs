//! Embeddings of tokens and positions.

use super::layers::cast;
use crate::recipe::{Config, Positions};
use tch::{Device, Kind, Tensor, nn};

/// Standard deviation of position and field tables. It is large, so that positions differ clearly from the first step.
const TABLE_DEVIATION: f64 = 0.5;

/// A learned table `[entries, width]`.
pub fn table(path: &nn::Path, name: &str, entries: i64, width: i64, deviation: f64) -> Tensor {
    path.var(
        name,
        &[entries, width],
        nn::Init::Randn {
            mean: 0.0,
            stdev: deviation,
        },
    )
}

/// Looks up rows of a table: indices `[..]` to `[.., width]`.
pub fn lookup(table: &Tensor, indices: &Tensor) -> Tensor {
    cast(&Tensor::embedding(table, indices, -1, false, false), Kind::Float)
}

/// Initial standard deviation of token and position tables: d^-1/2 for post-norm (Charton 2021), else
/// `TABLE_DEVIATION`.
pub fn deviation(config: &Config) -> f64 {
    if config.is_post_norm() {
        (config.width as f64).powf(-0.5)
    } else {
        TABLE_DEVIATION
    }
}

/// The sizes of the position tables.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Largest length of a sequence.
    pub length: i64,
    pub matrices: i64,
    /// Largest number of rows or columns.
    pub dim: i64,
    pub fields: i64,
    /// Number of tasks; 0 for a model of one problem.
    pub tasks: i64,
}

/// The sum of learned embeddings of a position index: index in the sequence, matrix, row, column and field.
#[derive(Debug)]
pub struct PositionEmbedding {
    /// Column of the position index, and its table.
    tables: Vec<(i64, Tensor)>,
}

impl PositionEmbedding {
    pub fn new(path: nn::Path, config: &Config, extent: Extent) -> Self {
        // Row, column and field count from 1. They are 0 for tokens outside of coefficients.
        let grid = config.positions == Positions::Both;
        let columns = [
            (true, "flat", extent.length),
            (grid, "matrix", extent.matrices),
            (grid, "row", extent.dim + 1),
            (grid, "column", extent.dim + 1),
            (grid, "field", extent.fields + 1),
        ];
        let deviation = deviation(config);
        let tables = (0..).zip(columns).filter(|(_, (used, ..))| *used);
        Self {
            tables: tables
                .map(|(column, (_, name, entries))| (column, table(&path, name, entries, config.width, deviation)))
                .collect(),
        }
    }

    /// `positions` `[length, 5]` int64 to `[length, width]`.
    pub fn forward(&self, positions: &Tensor) -> Tensor {
        let mut terms = self
            .tables
            .iter()
            .map(|(column, table)| lookup(table, &positions.select(1, *column)));
        let first = terms.next().expect("a model has at least one position table");
        terms.fold(first, |sum, term| sum + term)
    }
}

/// Position indices as a tensor `[length, 5]`.
pub(super) fn positions_tensor(positions: &[[i64; 5]], device: Device) -> Tensor {
    Tensor::from_slice(positions.as_flattened())
        .view([positions.len() as i64, 5])
        .to_device(device)
        .to_kind(Kind::Int64)
}
