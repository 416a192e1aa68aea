//! The format of a model's data: a problem with its input and output encodings.

use crate::encoding::{Encoding, Input, InputLayout, Layout, Vocabulary};
use crate::matrix::{Matrix, Shape};
use crate::problem::{Problem, Problems};
use anyhow::{Error, Result, ensure};
use std::sync::Arc;

/// The form of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The classes of each coefficient, for a parallel decoder.
    Classes,
    /// A sequence of tokens, for an autoregressive decoder.
    Tokens,
}

/// One of a model's problems at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// Index of the problem among the model's problems.
    pub task: usize,
    pub size: Shape,
}

/// The case of a model with a single problem.
impl From<Shape> for Case {
    fn from(size: Shape) -> Self {
        Self { task: 0, size }
    }
}

/// The input and output format of a model for one of its problems.
#[derive(Clone, Debug)]
pub struct Format {
    pub problem: &'static dyn Problem,
    /// All problems of the model. If there are several, a task token replaces `<s>` at the start of both sequences and
    /// precedes a value input.
    pub problems: Problems,
    pub input: Input,
    pub output: Arc<dyn Encoding>,
    pub target: Target,
    /// Standard deviation of the training coefficients, to which operands are scaled; `None` if operands are not
    /// scaled.
    pub deviation: Option<f64>,
}

impl Format {
    /// Whether operands are scaled to the training coefficients' standard deviation.
    pub fn normalizes(&self) -> bool {
        self.deviation.is_some() && self.problem.facts().invariance.degrees.is_some()
    }

    /// The formats of all problems of the model, in the order of their tasks.
    pub fn tasks(&self) -> Vec<Self> {
        let of = |problem| Self {
            problem,
            ..self.clone()
        };
        self.problems.iter().map(of).collect()
    }

    /// The task of the problem; `None` if the model has only one.
    pub fn task(&self) -> Option<usize> {
        let place = self.problems.task(self.problem.name());
        place.ok().filter(|_| self.problems.len() > 1)
    }

    /// The format of the named problem, or without a name, of the only problem.
    pub fn named(&self, name: Option<&str>) -> Result<Self> {
        let task = match name {
            Some(name) => self.problems.task(name)?,
            None => {
                ensure!(
                    self.problems.len() == 1,
                    "this model answers several problems: choose one of {}",
                    self.problems.names().join(", ")
                );
                0
            }
        };
        Ok(self.tasks().swap_remove(task))
    }

    /// The size of operands. Fails if their shapes do not fit the problem.
    pub fn size_of(&self, operands: &[Matrix]) -> Result<Shape> {
        let shapes: Vec<_> = operands.iter().map(Shape::of).collect();
        self.problem.size_of(&shapes).map_err(Error::msg)
    }

    /// The problem and size of operands. Fails if their shapes do not fit the problem.
    pub fn case_of(&self, operands: &[Matrix]) -> Result<Case> {
        Ok(Case {
            task: self.task().unwrap_or(0),
            size: self.size_of(operands)?,
        })
    }

    /// The vocabulary of the source; `None` for value input.
    pub fn source_vocabulary(&self) -> Option<Vocabulary> {
        match &self.input {
            Input::Tokens(encoding) => Some(self.vocabulary(encoding)),
            Input::Values { .. } => None,
        }
    }

    pub fn target_vocabulary(&self) -> Vocabulary {
        self.vocabulary(&self.output)
    }

    fn vocabulary(&self, encoding: &Arc<dyn Encoding>) -> Vocabulary {
        let vocabulary = Vocabulary::new(encoding.clone());
        match self.task() {
            Some(task) => vocabulary.for_task(task, self.problems.names()),
            None => vocabulary,
        }
    }

    /// The coefficients that the model reads.
    pub fn reading(&self) -> InputLayout {
        match self.input {
            Input::Values { reading, .. } => reading,
            Input::Tokens(_) => InputLayout::Whole,
        }
    }

    /// Whether the model reads the condensed form of a matrix, see `inference/condensed.py`.
    pub fn is_condensed(&self) -> bool {
        self.reading() == InputLayout::Condensed
    }

    /// Whether sources of equal size may differ in length, so that padding needs a mask.
    pub fn pads_source(&self) -> bool {
        matches!(&self.input, Input::Tokens(encoding) if encoding.is_variable_length())
    }

    /// Position indices of the source at a size: one row per token, or per coefficient of a value input.
    pub fn source_positions(&self, size: Shape) -> Vec<[i64; 5]> {
        let shapes = self.problem.operand_shapes(size);
        match &self.input {
            Input::Tokens(encoding) => Layout::tokens(&shapes, encoding.as_ref()),
            Input::Values { reading, .. } => {
                let places = Layout::reading(&shapes, *reading);
                match self.task() {
                    Some(_) => Layout::after_task(places),
                    None => places,
                }
            }
        }
    }

    /// Position indices of the target at a size. A parallel decoder has one row per coefficient. An autoregressive
    /// decoder has one row per token that it reads: all tokens except the last.
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
