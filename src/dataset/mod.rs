//! Examples of problems: made on the fly, written to CSV and read back, verified.
//!
//! Example `i` of a seed, a split and a [`Specification`] is a pure function: any slice can be made alone, on any machine
//! and any number of threads, and is the same.

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
pub use source::Source;
pub use specification::Specification;
pub use stream::{Exhausted, Stream, Targets};
pub use table::Table;
pub use verification::{Summary, verify};

use crate::{
    matrix::{Matrix, Shape},
    problem::Problem,
};

/// A problem set and solved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// As the model sees them: rounded through the input encoding where the stream has one.
    pub operands: Vec<Matrix>,
    pub solution: Vec<Matrix>,
    /// As the model would see them without noise; empty where there is none.
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

    /// The operands without noise: those that the solution is of, and that answers are measured with.
    pub fn truth(&self) -> &[Matrix] {
        if self.clean.is_empty() {
            &self.operands
        } else {
            &self.clean
        }
    }

    /// The shape that the problem calls its size.
    pub fn size(&self) -> Option<Shape> {
        self.operands.first().map(Shape::of)
    }
}

/// Gives matrices the shapes of others; allocates nothing where they have them.
fn take_shapes(matrices: &mut Vec<Matrix>, others: &[Matrix]) {
    let have_them = matrices.len() == others.len() && matrices.iter().zip(others).all(|(a, b)| a.shape() == b.shape());
    if !have_them {
        *matrices = others.to_vec();
    }
}
