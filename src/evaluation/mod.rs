//! Evaluation of a model: its answers are compared with nalgebra's solutions.

mod accuracy;
mod analysis;
mod bounds;
mod coverage;
mod families;
mod indicators;
mod properties;
mod repair;
mod search;

pub use accuracy::Accuracy;
pub use analysis::{Analysis, Bin, IndicatorReport, PropertyShares, Quantiles, TAIL, Threshold};
pub use coverage::{Coverage, Outside};
pub use families::families;
pub use indicators::{Indicator, KnownFrom};
pub use search::{Answer, Checked, Search};

use crate::dataset::{Case, Example, Format, Source};
use crate::encoding::{InputLayout, round_matrices};
use crate::inference::{Solver, TRUST};
use crate::matrix::{Matrix, Shape};
use crate::memory;
use crate::problem::Problem;
use anyhow::{Context, Result};
use bounds::{limit, rounded};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// The table's entry for a problem.
fn entry<T: Copy>(table: &[(&str, T)], problem: &dyn Problem) -> Option<T> {
    table
        .iter()
        .find(|(name, _)| *name == problem.name())
        .map(|(_, of)| *of)
}

/// Examples per batch.
const BATCH: usize = 500;

/// The result for one example.
#[derive(Clone, Debug)]
pub struct Measured {
    pub index: u64,
    pub problem: &'static dyn Problem,
    /// Index of the problem among the model's problems.
    pub task: usize,
    pub size: Shape,
    /// The problem's relative error of the model's first answer.
    pub error: f64,
    /// The error of the solution rounded to the output encoding.
    pub ceiling: f64,
    /// The error of the exact solution for the noisy operands; `None` without noise.
    pub limit: Option<f64>,
    /// Whether answer and solution are equal after rounding to the output encoding.
    pub exact: bool,
    pub log_probability: f64,
    /// The residual of the first answer, for the operands that the model reads.
    pub residual: f64,
    /// The result for the proposal with the smallest residual; `None` if proposals were not verified.
    pub verified: Option<Outcome>,
    /// The result after one step of repair; `None` without repair.
    pub repaired: Option<Outcome>,
    pub example: Example,
    /// The first answer.
    pub prediction: Vec<Matrix>,
}

/// An answer's error and residual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub residual: f64,
    pub error: f64,
}

impl Measured {
    /// The result of the last stage of the search.
    pub fn last(&self) -> Outcome {
        let own = Outcome {
            residual: self.residual,
            error: self.error,
        };
        self.repaired.or(self.verified).unwrap_or(own)
    }
}

/// The results for a set of examples.
#[derive(Clone, Debug)]
pub struct Evaluation {
    pub tolerances: Vec<f64>,
    pub examples: Vec<Measured>,
}

impl Evaluation {
    /// Accuracy of the model at each tolerance.
    pub fn accuracies(&self) -> Vec<Accuracy> {
        self.count(|measured| measured.error)
    }

    /// Accuracy of the solution rounded to the output encoding: the ceiling for all models with this encoding.
    pub fn ceilings(&self) -> Vec<Accuracy> {
        self.count(|measured| measured.ceiling)
    }

    /// Accuracy of the exact solution for the noisy operands; `None` without noise.
    pub fn limits(&self) -> Option<Vec<Accuracy>> {
        let noisy = self.examples.iter().any(|measured| measured.limit.is_some());
        noisy.then(|| self.count(|measured| measured.limit.unwrap_or(0.0)))
    }

    /// Accuracy of the proposals with the smallest residuals; `None` if proposals were not verified.
    pub fn verified(&self) -> Option<Vec<Accuracy>> {
        self.outcomes(|measured| measured.verified)
    }

    /// Accuracy after repair; `None` without repair.
    pub fn repaired(&self) -> Option<Vec<Accuracy>> {
        self.outcomes(|measured| measured.repaired)
    }

    /// Accuracy of the final answers of the search.
    pub fn last(&self) -> Vec<Accuracy> {
        self.count(|measured| measured.last().error)
    }

    fn outcomes(&self, outcome: impl Fn(&Measured) -> Option<Outcome>) -> Option<Vec<Accuracy>> {
        let has_any = self.examples.iter().any(|measured| outcome(measured).is_some());
        has_any.then(|| self.count(|measured| outcome(measured).map_or(f64::INFINITY, |outcome| outcome.error)))
    }

    /// The accuracy at each tolerance, only of final answers with a residual below the tolerance.
    pub fn confirmed(&self) -> Vec<Accuracy> {
        let of = |tolerance: f64| {
            let confirmed = self
                .examples
                .iter()
                .map(Measured::last)
                .filter(|last| last.residual < tolerance);
            let errors: Vec<f64> = confirmed.map(|last| last.error).collect();
            Accuracy::below(&errors, tolerance)
        };
        self.tolerances.iter().map(|&tolerance| of(tolerance)).collect()
    }

    /// The numbers of final answers whose residual is too large to trust: first of wrong answers, then of correct ones.
    pub fn flagged(&self) -> [Accuracy; 2] {
        [false, true].map(|right| {
            let last = self.examples.iter().map(Measured::last);
            let residuals: Vec<f64> = last
                .filter(|last| (last.error < TRUST) == right)
                .map(|last| last.residual)
                .collect();
            let trusted = Accuracy::below(&residuals, TRUST);
            Accuracy {
                right: trusted.count - trusted.right,
                ..trusted
            }
        })
    }

    /// Fraction of answers whose tokens are all correct.
    pub fn exact(&self) -> Accuracy {
        Accuracy {
            right: self.examples.iter().filter(|measured| measured.exact).count(),
            count: self.examples.len(),
        }
    }

    /// Median relative error; infinite without examples.
    pub fn median_error(&self) -> f64 {
        let mut errors: Vec<f64> = self.examples.iter().map(|measured| measured.error).collect();
        errors.sort_by(f64::total_cmp);
        errors.get(errors.len() / 2).copied().unwrap_or(f64::INFINITY)
    }

    /// The results for each size.
    pub fn by_size(&self) -> BTreeMap<Shape, Self> {
        self.parts(|measured| measured.size)
    }

    /// The results for each problem by name, in the order of the tasks.
    pub fn by_problem(&self) -> Vec<(&'static str, Self)> {
        let parts = self.parts(|measured| (measured.task, measured.problem.name()));
        parts.into_iter().map(|((_, name), part)| (name, part)).collect()
    }

    fn parts<K: Ord>(&self, key: impl Fn(&Measured) -> K) -> BTreeMap<K, Self> {
        let mut parts: BTreeMap<K, Self> = BTreeMap::new();
        for measured in &self.examples {
            let part = parts.entry(key(measured)).or_insert_with(|| Self {
                tolerances: self.tolerances.clone(),
                examples: Vec::new(),
            });
            part.examples.push(measured.clone());
        }
        parts
    }

    fn count(&self, error: impl Fn(&Measured) -> f64) -> Vec<Accuracy> {
        let errors: Vec<f64> = self.examples.iter().map(error).collect();
        self.tolerances
            .iter()
            .map(|&tolerance| Accuracy::below(&errors, tolerance))
            .collect()
    }
}

/// Fails if the examples and their answers need more memory than is available.
pub fn check_memory(source: &dyn Source, count: usize) -> Result<()> {
    /// Number of examples from which the size of all is estimated.
    const PROBE: usize = 32;
    /// Memory of a matrix in addition to its numbers.
    const MATRIX: usize = size_of::<Matrix>() + 16;
    let probe = count.min(PROBE);
    let bytes = |matrices: &[Matrix]| -> usize { matrices.iter().map(|matrix| MATRIX + 8 * matrix.len()).sum() };
    let mut total = 0;
    for index in 0..probe as u64 {
        let example = source.example(index)?;
        // The prediction has the size of the solution.
        total +=
            size_of::<Measured>() + bytes(&example.operands) + 2 * bytes(&example.solution) + bytes(&example.clean);
    }
    let all = total as f64 / probe.max(1) as f64 * count as f64;
    memory::require(all, &format!("{count} examples with their answers")).context("evaluate fewer examples")
}

/// Evaluates a module on the examples of a source at `indices`, with all its problems. `progress` receives the number
/// of newly finished examples; its error ends the evaluation.
pub fn evaluate(
    solver: &Solver,
    source: &dyn Source,
    indices: Range<u64>,
    tolerances: &[f64],
    search: &Search,
    progress: impl Fn(usize) -> Result<()>,
) -> Result<Evaluation> {
    let end = source.count().map_or(indices.end, |len| indices.end.min(len));
    let indices = indices.start.min(end)..end;
    let count = (indices.end - indices.start) as usize;
    check_memory(source, count)?;
    let mut measured = Vec::with_capacity(count);
    let (preparations, checkers) = (solver.preparations()?, solver.checkers()?);
    let examples: Vec<(u64, Example)> = indices
        .into_par_iter()
        .map(|index| Ok((index, source.example(index)?)))
        .collect::<Result<_>>()?;
    // All sequences of one task and size have equal lengths. Batches are therefore full, and need no padding even if
    // there are many sizes.
    let mut cases: BTreeMap<(usize, Shape), Vec<(u64, Example)>> = BTreeMap::new();
    for (index, example) in examples {
        let task = source.task_of(index);
        let size = solver.formats()[task].size_of(&example.operands)?;
        cases.entry((task, size)).or_default().push((index, example));
    }
    for ((task, size), examples) in cases {
        let case = Case { task, size };
        let mut examples = examples.into_iter();
        loop {
            let examples: Vec<_> = examples.by_ref().take(BATCH).collect();
            if examples.is_empty() {
                break;
            }
            let operands: Vec<_> = examples
                .iter()
                .map(|(_, example)| example.operands.as_slice())
                .collect();
            let proposals = solver.answers(case, &operands, search.beam)?;
            let answers = search.choose(&checkers[task], &operands, proposals)?;
            progress(answers.len())?;
            let format = solver.format_of(case);
            let (indices, examples): (Vec<u64>, Vec<Example>) = examples.into_iter().unzip();
            let rounded = rounded(format, preparations[task].as_ref(), &examples)?;
            let parts: Vec<_> = indices.into_iter().zip(examples).zip(rounded).zip(answers).collect();
            let results = parts
                .into_par_iter()
                .map(|(((index, example), rounded), answer)| measure(format, index, case, example, rounded, answer));
            measured.extend(results.collect::<Vec<_>>());
        }
    }
    measured.sort_by_key(|measured| measured.index);
    Ok(Evaluation {
        tolerances: tolerances.to_vec(),
        examples: measured,
    })
}

fn measure(
    format: &Format,
    index: u64,
    case: Case,
    example: Example,
    rounded: Option<Vec<Matrix>>,
    answer: Answer,
) -> Measured {
    let error = |prediction: &[Matrix]| format.problem.error(example.truth(), &example.solution, prediction);
    let ceiling = rounded.as_deref().map_or(f64::INFINITY, error);
    let outcome = |checked: &Checked| Outcome {
        residual: checked.residual,
        error: error(&checked.prediction),
    };
    let [verified, repaired] = [&answer.verified, &answer.repaired].map(|checked| checked.as_ref().map(outcome));
    let own = answer.own;
    Measured {
        index,
        problem: format.problem,
        task: case.task,
        size: case.size,
        error: own.as_ref().map_or(f64::INFINITY, |own| error(&own.solution)),
        ceiling,
        limit: limit(
            format.problem,
            format.reading() == InputLayout::Triangle,
            case.size,
            &example,
        ),
        exact: own.as_ref().is_some_and(|own| {
            let digits = |matrices: &[Matrix]| round_matrices(format.output.as_ref(), matrices).ok();
            // `rounded` was rounded in the form that the model predicts; here the solution itself is needed.
            let solution = if format.is_condensed() || format.normalizes() {
                digits(&example.solution)
            } else {
                rounded
            };
            solution.is_some() && digits(&own.solution) == solution
        }),
        log_probability: own.as_ref().map_or(f64::NEG_INFINITY, |own| own.log_probability),
        residual: answer.residual,
        verified,
        repaired,
        prediction: own.map(|own| own.solution).unwrap_or_default(),
        example,
    }
}

#[cfg(test)]
mod tests;
