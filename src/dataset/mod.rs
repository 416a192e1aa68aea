//! Examples of problems: generated in memory, written to CSV, read back and verified.
//!
//! Example `i` is a pure function of a seed, a split and a [`Specification`]. Any machine can generate any range of
//! examples, on any number of threads, with the same result.

mod collision;
mod csv;
mod dimensions;
mod format;
mod generation;
mod mixture;
mod repetition;
mod source;
mod specification;
mod stream;
mod table;
mod verification;

pub use collision::{Collisions, Seen, collisions};
pub use csv::{BadRow, HEADER, Reader, Row, write_row};
pub use dimensions::{Dimensions, Extent, InvalidDimensions};
pub use format::{Case, Format, Target};
pub use generation::{InvalidShard, Shard, generate};
pub use mixture::Mixture;
pub use repetition::Repetition;
pub use source::{Share, Source};
pub use specification::Specification;
pub use stream::{Exhausted, Stream, Targets};
pub use table::Table;
pub use verification::{Summary, verify, verify_part};

use crate::{
    matrix::{Matrix, Shape},
    problem::Problem,
};

/// The operands of a problem and their solution.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// The operands that the model reads, rounded by the input encoding if the stream has one.
    pub operands: Vec<Matrix>,
    pub solution: Vec<Matrix>,
    /// The operands before noise was added; empty without noise.
    pub clean: Vec<Matrix>,
}

impl Example {
    /// An example of zeros, to be filled.
    pub fn zeros(problem: &dyn Problem, size: Shape) -> Self {
        let zeros = |shapes: Vec<Shape>| {
            shapes
                .iter()
                .map(|shape| Matrix::zeros(shape.rows, shape.cols))
                .collect()
        };
        Self {
            operands: zeros(problem.operand_shapes(size)),
            solution: zeros(problem.solution_shapes(size)),
            clean: Vec::new(),
        }
    }

    /// The operands without noise. The solution belongs to them, and errors of answers are measured with them.
    pub fn truth(&self) -> &[Matrix] {
        if self.clean.is_empty() {
            &self.operands
        } else {
            &self.clean
        }
    }

    /// The size of the example: the shape of the first operand.
    pub fn size(&self) -> Option<Shape> {
        self.operands.first().map(Shape::of)
    }
}

/// Gives matrices the shapes of others. Allocates only if shapes differ.
fn take_shapes(matrices: &mut Vec<Matrix>, others: &[Matrix]) {
    let have_them = matrices.len() == others.len() && matrices.iter().zip(others).all(|(a, b)| a.shape() == b.shape());
    if !have_them {
        *matrices = others.to_vec();
    }
}
