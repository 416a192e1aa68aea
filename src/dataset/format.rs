//! What a model reads and writes: a problem with the encodings of both sides.

use crate::encoding::{Encoding, Input, Layout, Vocabulary};
use crate::matrix::{Matrix, Shape};
use crate::problem::Problem;
use anyhow::{Error, Result};
use std::sync::Arc;

/// How the solution is presented to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The classes of every coefficient, for a parallel decoder.
    Classes,
    /// A sequence of tokens, for an autoregressive one.
    Tokens,
}

/// The two languages of a model, source and target.
#[derive(Clone, Debug)]
pub struct Format {
    pub problem: &'static dyn Problem,
    pub input: Input,
    pub output: Arc<dyn Encoding>,
    pub target: Target,
}

impl Format {
    /// The size of operands; fails where their shapes are not those of the problem.
    pub fn size_of(&self, operands: &[Matrix]) -> Result<Shape> {
        let shapes: Vec<_> = operands.iter().map(Shape::of).collect();
        self.problem.size_of(&shapes).map_err(Error::msg)
    }

    /// The vocabulary of the source; none for value inputs.
    pub fn source_vocabulary(&self) -> Option<Vocabulary> {
        match &self.input {
            Input::Tokens(encoding) => Some(Vocabulary::new(encoding.clone())),
            Input::Values { .. } => None,
        }
    }

    pub fn target_vocabulary(&self) -> Vocabulary {
        Vocabulary::new(self.output.clone())
    }

    /// Whether sources of one size may differ in length, so that padding must be masked.
    pub fn pads_source(&self) -> bool {
        matches!(&self.input, Input::Tokens(encoding) if encoding.is_variable_length())
    }

    /// Position indices of the source at a size: one row per token, or per coefficient of a value input.
    pub fn source_positions(&self, size: Shape) -> Vec<[i64; 5]> {
        let shapes = self.problem.operand_shapes(size);
        match &self.input {
            Input::Tokens(encoding) => Layout::tokens(&shapes, encoding.as_ref()),
            Input::Values { .. } => Layout::coefficients(&shapes),
        }
    }

    /// Position indices of the target at a size: one row per coefficient, or per token that is read while decoding
    /// (all but the last).
    pub fn target_positions(&self, size: Shape) -> Vec<[i64; 5]> {
        let shapes = self.problem.solution_shapes(size);
        match self.target {
            Target::Classes => Layout::coefficients(&shapes),
            Target::Tokens => {
                let mut positions = Layout::tokens(&shapes, self.output.as_ref());
                positions.pop();
                positions
            }
        }
    }
}
