//! What a model reads and writes: a problem with the encodings of both sides.

use crate::encoding::{Encoding, Input, InputLayout, Layout, Vocabulary};
use crate::matrix::{Matrix, Shape};
use crate::problem::{Problem, Problems};
use anyhow::{Error, Result, ensure};
use std::sync::Arc;

/// How the solution is presented to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The classes of every coefficient, for a parallel decoder.
    Classes,
    /// A sequence of tokens, for an autoregressive one.
    Tokens,
}

/// One of a model's problems, at a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// Place among the problems of the model; 0 where there is one.
    pub task: usize,
    pub size: Shape,
}

/// Of a model of one problem.
impl From<Shape> for Case {
    fn from(size: Shape) -> Self {
        Self { task: 0, size }
    }
}

/// The two languages of a model, source and target, for one of its problems.
#[derive(Clone, Debug)]
pub struct Format {
    pub problem: &'static dyn Problem,
    /// All problems of the model. Where there are several, both sequences begin with a token of the task in place of
    /// `<s>`, and a source of values has the task before them.
    pub problems: Problems,
    pub input: Input,
    pub output: Arc<dyn Encoding>,
    pub target: Target,
    /// Standard deviation of the training's coefficients, to which operands are brought; none where they are read as given.
    pub deviation: Option<f64>,
}

impl Format {
    /// Whether operands are brought to the scale of the training.
    pub fn normalizes(&self) -> bool {
        self.deviation.is_some() && self.problem.facts().invariance.degrees.is_some()
    }

    /// The same for every problem of the model, in the order of the tasks.
    pub fn tasks(&self) -> Vec<Self> {
        let of = |problem| Self {
            problem,
            ..self.clone()
        };
        self.problems.iter().map(of).collect()
    }

    /// Place of the problem among several; none where it is the only one.
    pub fn task(&self) -> Option<usize> {
        let place = self.problems.task(self.problem.name());
        place.ok().filter(|_| self.problems.len() > 1)
    }

    /// The same for the problem of a name, or for the only one where no name is given.
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

    /// The size of operands; fails where their shapes are not those of the problem.
    pub fn size_of(&self, operands: &[Matrix]) -> Result<Shape> {
        let shapes: Vec<_> = operands.iter().map(Shape::of).collect();
        self.problem.size_of(&shapes).map_err(Error::msg)
    }

    /// The problem and the size of operands; fails where their shapes are not those of the problem.
    pub fn case_of(&self, operands: &[Matrix]) -> Result<Case> {
        Ok(Case {
            task: self.task().unwrap_or(0),
            size: self.size_of(operands)?,
        })
    }

    /// The vocabulary of the source; none for value inputs.
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

    /// Whether sources of one size may differ in length, so that padding must be masked.
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
