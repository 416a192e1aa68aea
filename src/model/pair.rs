//! The architecture `pair`. Its hidden state is `[batch, row, column, channel]`, and its layers multiply matrices
//! channel by channel.
//!
//! It is AlphaFold 2's pair representation with triangle multiplication (Jumper et al. 2021, supplement, algorithms 11
//! and 12), without gates. Attention computes weighted averages, but inverses and eigenvalues need products. The norm
//! before a product has one scale for each channel's whole matrix, so that products of channels are still products of
//! matrices.

use super::attention::{Kernel, SelfAttention};
use super::block::Pass;
use super::embedding::{lookup, table};
use super::layers::{FeedForward, Linear, Norm};
use super::stack::EncoderStack;
use crate::dataset::Format;
use crate::libtorch::{channel_norm, channel_product};
use crate::matrix::Shape;
use crate::problem::{Form, Part, Problem};
use crate::recipe::{Config, Normalization, Positions};
use tch::{Device, Kind, Tensor, nn};

/// Initial standard deviation of the cell embeddings.
const DEVIATION: f64 = 0.5;
/// Lower bound of the root mean square in a norm.
const LEAST: f64 = 1e-3;

/// The side of the square grid that holds the matrices of a problem.
fn side(problem: &dyn Problem, size: Shape) -> usize {
    let shapes = problem.operand_shapes(size);
    shapes.iter().map(|shape| shape.rows.max(shape.cols)).max().unwrap_or(0)
}

/// The largest number of operands among a model's problems.
pub fn most_operands(formats: &[Format]) -> i64 {
    let operands = formats.iter().map(|format| format.problem.operands().len());
    operands.max().unwrap_or(0) as i64
}

/// The grid of each operand as indices into the source, `[operands, side, side]` int64; -1 for cells without a
/// coefficient.
///
/// The first coefficient of a source has index `first`. If a problem has fewer operands than `operands`, the last ones
/// are empty.
pub fn source_cells(problem: &dyn Problem, size: Shape, first: i64, operands: i64, device: Device) -> Tensor {
    let side = side(problem, size);
    let mut cells = Vec::new();
    let mut place = first;
    let shapes = problem.operand_shapes(size);
    for shape in &shapes {
        for (row, col) in (0..side).flat_map(|row| (0..side).map(move |col| (row, col))) {
            cells.push(if row < shape.rows && col < shape.cols {
                place + (row * shape.cols + col) as i64
            } else {
                -1
            });
        }
        place += (shape.rows * shape.cols) as i64;
    }
    cells.resize(operands as usize * side * side, -1);
    Tensor::from_slice(&cells)
        .view([operands, side as i64, side as i64])
        .to_device(device)
}

/// The grid cell of each output coefficient, as rows (cell, matrix, row, column, field) like the positions of a
/// sequence.
pub fn target_cells(problem: &dyn Problem, size: Shape, positions: Vec<[i64; 5]>) -> Vec<[i64; 5]> {
    let side = side(problem, size) as i64;
    let diagonal = on_diagonal(problem);
    let cell = |[_, matrix, row, column, field]: [i64; 5]| {
        let place = if diagonal[matrix as usize] { row } else { column };
        [(row - 1) * side + place - 1, matrix, row, column, field]
    };
    positions.into_iter().map(cell).collect()
}

/// For each matrix of the solution, whether it is read from the diagonal. Spectra are: columns of problems whose
/// operands have no columns.
pub fn on_diagonal(problem: &dyn Problem) -> Vec<bool> {
    let is_column = |part: &Part| part.form == Form::Column;
    let no_columns = !problem.operands().iter().any(is_column);
    problem
        .solution()
        .iter()
        .map(|part| no_columns && is_column(part))
        .collect()
}

/// Embeds the operands and combines them on the grid.
#[derive(Debug)]
pub struct CellEmbedding {
    /// One map per operand; empty for a single operand.
    operands: Vec<Linear>,
    /// One vector per operand, `[operands, 1, 1, width]`. Its product with each number is added, so that the hidden
    /// state contains the matrices themselves.
    numbers: Tensor,
    /// Added on the diagonal, `[1, width]`. It is the only position that a model without positions knows.
    diagonal: Tensor,
    /// The position embedding of each cell, `[room * room, width]`.
    cells: Option<Tensor>,
    room: i64,
}

impl CellEmbedding {
    pub fn new(path: nn::Path, config: &Config, operands: i64, room: i64) -> Self {
        let width = config.width;
        let numbers = path.var(
            "numbers",
            &[operands, 1, 1, width],
            nn::Init::Randn {
                mean: 0.0,
                stdev: DEVIATION,
            },
        );
        let operands = if operands > 1 { 0..operands } else { 0..0 };
        Self {
            numbers,
            operands: operands
                .map(|i| Linear::new(&path / "operands" / i, width, width, false))
                .collect(),
            diagonal: table(&path, "diagonal", 1, width, DEVIATION),
            cells: (config.positions == Positions::Flat).then(|| table(&path, "cells", room * room, width, DEVIATION)),
            room,
        }
    }

    /// Embeds `source` `[batch, length]` at the `cells` of [`source_cells`] as `[batch, side, side, width]`. `embed`
    /// maps numbers to vectors `[.., width]`.
    pub fn forward(&self, source: &Tensor, cells: &Tensor, kind: Kind, embed: impl Fn(&Tensor) -> Tensor) -> Tensor {
        let given = cells.ge(0).to_kind(Kind::Float).unsqueeze(-1);
        let numbers = source.index(&[None::<&Tensor>, Some(&cells.clamp_min(0))]);
        let vectors = embed(&numbers) * &given;
        let sum = match self.operands.as_slice() {
            [] => vectors.select(1, 0),
            maps => (0..)
                .zip(maps)
                .map(|(i, map)| map.forward(&vectors.select(1, i), kind).to_kind(Kind::Float))
                .reduce(|sum, term| sum + term)
                .expect("there are operands"),
        };
        let plain = (&numbers * given.squeeze_dim(-1) * 0.1).unsqueeze(-1) * &self.numbers;
        let sum = sum + plain.sum_dim_intlist(1, false, Kind::Float);
        // The numbers from 0 to the side - 1, computed without reading a size.
        let places = cells.select(0, 0).select(0, 0).ones_like().cumsum(0, Kind::Int64) - 1;
        let (row, col) = (places.unsqueeze(1), places.unsqueeze(0));
        let diagonal = row.eq_tensor(&col).to_kind(Kind::Float).unsqueeze(-1) * &self.diagonal;
        let sum = sum + diagonal;
        match &self.cells {
            Some(table) => sum + lookup(table, &(row * self.room + col)),
            None => sum,
        }
    }
}

/// RMSNorm of the hidden state.
#[derive(Debug)]
enum StateNorm {
    /// Over the channels of each cell.
    Cell(Norm),
    /// Over the cells of each channel, or over all cells and channels. It has no weights, because a linear map follows.
    Matrix { over_channels: bool },
}

impl StateNorm {
    fn new(path: nn::Path, config: &Config) -> Self {
        match config.normalization {
            Normalization::PreChannel | Normalization::PreMatrix => Self::Matrix {
                over_channels: config.normalization == Normalization::PreMatrix,
            },
            other => Self::Cell(Norm::new(path, config.width, other)),
        }
    }

    fn forward(&self, state: &Tensor) -> Tensor {
        match self {
            Self::Cell(norm) => norm.forward(state),
            Self::Matrix { over_channels } => channel_norm(state, *over_channels, LEAST),
        }
    }
}

/// `h + W norm(a b)`: the channels of `a` and `b` are linear maps of the channels of norm(h). In half of them, `b` is
/// transposed.
#[derive(Debug)]
struct Product {
    before: StateNorm,
    factors: Linear,
    after: StateNorm,
    out: Linear,
}

impl Product {
    fn new(path: nn::Path, config: &Config) -> Self {
        let width = config.width;
        Self {
            before: StateNorm::new(&path / "before", config),
            factors: Linear::new(&path / "factors", width, 2 * width, false),
            after: StateNorm::new(&path / "after", config),
            out: Linear::new(&path / "out", width, width, false),
        }
    }

    fn forward(&self, state: &Tensor, kind: Kind) -> Tensor {
        // Products are always summed in float32.
        let factors = self
            .factors
            .forward(&self.before.forward(state), kind)
            .to_kind(Kind::Float);
        let [a, b]: [Tensor; 2] = factors.chunk(2, -1).try_into().expect("two chunks");
        let [plain, transposed]: [Tensor; 2] = b.chunk(2, -1).try_into().expect("two chunks");
        let b = Tensor::cat(&[plain, transposed.transpose(1, 2)], -1);
        let product = channel_product(&a, &b);
        state + self.out.forward(&self.after.forward(&product), kind)
    }
}

/// Attention between all cells, in addition to the products.
#[derive(Debug)]
struct Attention {
    norm: Norm,
    attention: SelfAttention,
}

#[derive(Debug)]
struct Layer {
    products: Vec<Product>,
    attention: Option<Attention>,
    norm: Norm,
    feedforward: FeedForward,
}

impl Layer {
    fn new(path: nn::Path, config: &Config) -> Self {
        let width = config.width;
        let norm = |name| Norm::new(&path / name, width, Normalization::PreRms);
        Self {
            products: (0..config.products)
                .map(|i| Product::new(&path / "products" / i, config))
                .collect(),
            attention: (config.heads > 0).then(|| Attention {
                norm: norm("attention_norm"),
                attention: SelfAttention::new(&path / "attention", width, config.heads, false),
            }),
            norm: norm("feedforward_norm"),
            feedforward: FeedForward::new(
                &path / "feedforward",
                width,
                config.feedforward * width,
                false,
                config.activation,
            ),
        }
    }

    fn forward(&self, state: Tensor, pass: Pass) -> Tensor {
        let mut state = self
            .products
            .iter()
            .fold(state, |state, product| product.forward(&state, pass.kind));
        if let Some(Attention { norm, attention }) = &self.attention {
            let cells = norm.forward(&state).flatten(1, 2);
            state = &state + attention.forward(&cells, None, pass.kernel, pass.kind).view_as(&state);
        }
        &state + self.feedforward.forward(&self.norm.forward(&state), pass.kind)
    }
}

/// The stack of `pair` layers.
#[derive(Debug)]
pub struct PairEncoder {
    layers: Vec<Layer>,
    norm: Norm,
    loops: i64,
    injects: bool,
}

impl PairEncoder {
    pub fn new(path: &nn::Path, config: &Config) -> Self {
        Self {
            layers: (0..config.encoder_layers)
                .map(|i| Layer::new(path / "layers" / i, config))
                .collect(),
            norm: Norm::new(path / "norm", config.width, Normalization::PreRms),
            loops: config.encoder_loops,
            injects: config.input_injection,
        }
    }
}

impl EncoderStack for PairEncoder {
    /// Maps the state `[batch, side, side, width]` to the output `[batch, side * side, width]`.
    fn forward(&self, embedded: &Tensor, _mask: Option<&Tensor>, pass: Pass) -> Tensor {
        let pass = Pass {
            kernel: Kernel::Written,
            ..pass
        };
        let mut state = embedded.shallow_clone();
        for done in 0..self.loops {
            if done > 0 && self.injects {
                state += embedded;
            }
            state = self
                .layers
                .iter()
                .fold(state, |state, layer| layer.forward(state, pass));
        }
        self.norm.forward(&state).flatten(1, 2)
    }
}

/// Reads the hidden state of each output coefficient from its cell.
#[derive(Debug)]
pub struct CellReader {
    /// One map per matrix of the solution; empty for a single matrix.
    matrices: Vec<Linear>,
}

impl CellReader {
    pub fn new(path: nn::Path, width: i64, matrices: i64) -> Self {
        let matrices = if matrices > 1 { 0..matrices } else { 0..0 };
        Self {
            matrices: matrices
                .map(|i| Linear::new(&path / "matrices" / i, width, width, true))
                .collect(),
        }
    }

    /// Reads from `memory` `[batch, side * side, width]` at the `positions` of [`target_cells`]; returns
    /// `[batch, count, width]`.
    pub fn forward(&self, memory: &Tensor, positions: &Tensor, kind: Kind) -> Tensor {
        let read = memory.index_select(1, &positions.select(1, 0));
        let matrix = positions.select(1, 1);
        (0..).zip(&self.matrices).fold(read.shallow_clone(), |sum, (i, map)| {
            let own = matrix.eq(i).to_kind(Kind::Float).unsqueeze(-1);
            sum + map.forward(&read, kind) * own
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Layout;
    use crate::libtorch::seeded;
    use crate::model::Model;
    use crate::problem;
    use crate::recipe::{Architecture, Recipe};
    use tch::no_grad;

    fn model(problem: &str, more: &str) -> Model {
        let text = format!(
            "problem = \"{problem}\"\ndim = \"2-4\"\nmodel.architecture = \"pair\"\nmodel.width = 16\n\
             model.encoder_layers = 2\n{more}"
        );
        Recipe::parse(&text, &[]).unwrap().build(Device::Cpu)
    }

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    #[test]
    fn operands_of_different_shapes_are_padded_to_one_square() {
        // A 2x2 matrix and a vector, after the task token.
        let problem = problem::named("matrix-vector").unwrap();
        let cells = source_cells(problem, Shape::new(2, 2), 1, 2, Device::Cpu);
        assert_eq!(numbers(&cells), [1, 2, 3, 4, 5, -1, 6, -1]);
        let inverse = problem::named("inverse").unwrap();
        let cells = source_cells(inverse, Shape::new(1, 1), 1, 2, Device::Cpu);
        assert_eq!(numbers(&cells), [1, -1], "beside a problem of two operands");
    }

    #[test]
    fn spectra_are_read_on_the_diagonal_and_other_answers_at_their_cells() {
        let size = Shape::new(2, 2);
        let cells = |name: &str| -> Vec<i64> {
            let problem = problem::named(name).unwrap();
            let positions = Layout::coefficients(&problem.solution_shapes(size));
            target_cells(problem, size, positions)
                .iter()
                .map(|row| row[0])
                .collect()
        };
        assert_eq!(cells("eigenvalues"), [0, 3]);
        assert_eq!(cells("eigenvectors"), [0, 3, 0, 1, 2, 3]);
        assert_eq!(cells("matrix-vector"), [0, 2]);
        assert_eq!(cells("inverse"), [0, 1, 2, 3]);
    }

    /// The hidden state of each output coefficient, `[count, width]`.
    fn hidden(model: &Model, matrix: &Tensor) -> Tensor {
        let size = Shape::new(matrix.size()[0] as usize, matrix.size()[1] as usize);
        let crate::model::Decoder::Parallel(decoder) = model.decoder() else {
            unreachable!("pair models answer all at once")
        };
        model
            .hidden(decoder, &matrix.view([1, -1]), size, Kind::Float)
            .squeeze()
    }

    #[test]
    fn without_positions_permuted_matrices_have_permuted_answers() {
        no_grad(|| {
            for kind in ["pre-channel", "pre-matrix"] {
                let model = model("inverse", &format!("model.normalization = \"{kind}\""));
                let matrix = seeded(4, || Tensor::randn([3, 3], (Kind::Float, Device::Cpu))) * 5.0;
                let order = Tensor::from_slice(&[2i64, 0, 1]);
                let permuted = |x: &Tensor| x.index_select(0, &order).index_select(1, &order);
                let answer = hidden(&model, &matrix).view([3, 3, 16]);
                let found = hidden(&model, &permuted(&matrix)).view([3, 3, 16]);
                assert!(found.allclose(&permuted(&answer), 1e-4, 1e-4, false), "{kind}");
                assert!(!found.allclose(&answer, 1e-2, 1e-2, false), "the order matters");
            }
        });
    }

    #[test]
    fn positions_distinguish_permuted_matrices() {
        no_grad(|| {
            let model = model("eigenvalues", "model.positions = \"flat\"");
            let matrix = Tensor::from_slice(&[1f32, 0.0, 0.0, 2.0]).view([2, 2]);
            let found = hidden(&model, &matrix);
            let swapped = hidden(&model, &matrix.flip([0, 1]));
            assert!(!found.flip([0]).allclose(&swapped, 1e-3, 1e-3, false));
        });
    }

    #[test]
    fn a_model_without_positions_accepts_all_sizes() {
        let without = model("inverse", "");
        let takes = |model: &Model| model.capacity.check(model.format(), Shape::new(9, 9)).is_ok();
        assert!(takes(&without));
        assert!(!takes(&model("eigenvalues", "model.positions = \"flat\"")));
        assert_eq!(without.config().architecture, Architecture::Pair);
    }
}
