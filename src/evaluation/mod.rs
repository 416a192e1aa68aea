//! Measuring a model: decode, compare with nalgebra, count.

mod accuracy;

pub use accuracy::Accuracy;

use crate::dataset::{Batcher, Case, Example, Format, Source};
use crate::encoding::Encoding;
use crate::matrix::{Matrix, Shape};
use crate::model::{Candidate, Model};
use crate::problem::Problem;
use anyhow::Result;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Examples that are decoded together.
const BATCH: usize = 500;

/// What one example came to.
#[derive(Clone, Debug)]
pub struct Measured {
    pub index: u64,
    pub problem: &'static dyn Problem,
    /// Place of the problem among those of the model.
    pub task: usize,
    pub size: Shape,
    /// Relative error of the model's first answer, as the problem measures it.
    pub error: f64,
    /// Error of the exact answer after being rounded to tokens.
    pub ceiling: f64,
    /// Whether the answer's tokens are those of the rounded exact answer.
    pub exact: bool,
    pub log_probability: f64,
    pub example: Example,
    pub prediction: Vec<Matrix>,
}

/// The measures of a set of examples.
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

    /// Accuracy of the exact answer, rounded to tokens: what no model with this encoding can be expected to pass.
    pub fn ceilings(&self) -> Vec<Accuracy> {
        self.count(|measured| measured.ceiling)
    }

    /// Share of answers that are right to the last token.
    pub fn exact(&self) -> Accuracy {
        Accuracy {
            right: self.examples.iter().filter(|measured| measured.exact).count(),
            count: self.examples.len(),
        }
    }

    /// Median relative error; infinite where nothing was measured.
    pub fn median_error(&self) -> f64 {
        let mut errors: Vec<f64> = self.examples.iter().map(|measured| measured.error).collect();
        errors.sort_by(f64::total_cmp);
        errors.get(errors.len() / 2).copied().unwrap_or(f64::INFINITY)
    }

    /// The same measures for each size apart.
    pub fn by_size(&self) -> BTreeMap<Shape, Self> {
        self.parts(|measured| measured.size)
    }

    /// The same measures for each problem apart, by name, in the order of the tasks.
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

/// Measures a model on the first `count` examples of a source, of all its problems together; `progress` is told how many more are done.
pub fn evaluate(
    model: &Model,
    source: &dyn Source,
    count: usize,
    tolerances: &[f64],
    beam: usize,
    progress: impl Fn(usize),
) -> Result<Evaluation> {
    let count = source.count().map_or(count, |len| count.min(len as usize));
    let mut batchers: Vec<_> = model.formats().iter().cloned().map(Batcher::new).collect();
    let mut measured = Vec::with_capacity(count);
    let examples: Vec<(u64, Example)> = (0..count as u64)
        .into_par_iter()
        .map(|index| Ok((index, source.example(index)?)))
        .collect::<Result<_>>()?;
    // Of one case, all sequences have one length: full batches without padding, however many sizes there are.
    let mut cases: BTreeMap<(usize, Shape), Vec<(u64, Example)>> = BTreeMap::new();
    for (index, example) in examples {
        let task = source.task_of(index);
        let size = model.formats()[task].size_of(&example.operands)?;
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
            let inputs = batchers[task].source(examples.iter().map(|(_, example)| example.operands.as_slice()))?;
            let answers = model.generate(&inputs, case, beam)?;
            progress(answers.len());
            let format = model.format_of(case);
            let pairs: Vec<_> = examples.into_iter().zip(answers).collect();
            let results = pairs
                .into_par_iter()
                .map(|((index, example), answers)| measure(format, index, case, example, answers));
            measured.extend(results.collect::<Result<Vec<_>>>()?);
        }
    }
    measured.sort_by_key(|measured| measured.index);
    Ok(Evaluation {
        tolerances: tolerances.to_vec(),
        examples: measured,
    })
}

fn measure(format: &Format, index: u64, case: Case, example: Example, answers: Vec<Candidate>) -> Result<Measured> {
    let rounded = rounded(format.output.as_ref(), &example.solution);
    let ceiling = rounded.as_ref().map_or(f64::INFINITY, |rounded| {
        format.problem.error(&example.operands, &example.solution, rounded)
    });
    let answer = answers.into_iter().next();
    let error = answer.as_ref().map_or(f64::INFINITY, |answer| {
        format
            .problem
            .error(&example.operands, &example.solution, &answer.solution)
    });
    // Both sides are values of the encoding: equal values are equal tokens.
    let exact = answer
        .as_ref()
        .is_some_and(|answer| rounded.as_ref() == Some(&answer.solution));
    Ok(Measured {
        index,
        problem: format.problem,
        task: case.task,
        size: case.size,
        error,
        ceiling,
        exact,
        log_probability: answer
            .as_ref()
            .map_or(f64::NEG_INFINITY, |answer| answer.log_probability),
        prediction: answer.map(|answer| answer.solution).unwrap_or_default(),
        example,
    })
}

/// Matrices as tokens would write them; none where a value is out of the encoding's range.
fn rounded(encoding: &dyn Encoding, matrices: &[Matrix]) -> Option<Vec<Matrix>> {
    crate::encoding::round_matrices(encoding, matrices).ok()
}
