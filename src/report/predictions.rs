//! Answers of an evaluation as CSV. `eval --predictions` writes them, and `eval --parts` reads them back.

use super::TestSet;
use crate::dataset::{Format, Source};
use crate::evaluation::{Evaluation, Measured, Outcome};
use crate::file;
use crate::matrix::text::{parse_list, print_list};
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The answer to one example. Matrices are lists of rows, as in data sets.
#[derive(Debug, Deserialize, Serialize)]
struct Row {
    index: u64,
    set: String,
    problem: String,
    operands: String,
    solution: String,
    prediction: String,
    error: f64,
    ceiling: f64,
    exact: bool,
    log_probability: f64,
    /// The operands without noise; empty if they have none.
    clean: String,
    residual: f64,
    verified_error: Option<f64>,
    repaired_error: Option<f64>,
    verified_residual: Option<f64>,
    repaired_residual: Option<f64>,
    limit: Option<f64>,
}

impl Row {
    fn new(set: &str, measured: &Measured) -> Self {
        let clean = measured.example.clean.as_slice();
        let error = |outcome: Option<Outcome>| outcome.map(|outcome| outcome.error);
        let residual = |outcome: Option<Outcome>| outcome.map(|outcome| outcome.residual);
        Self {
            index: measured.index,
            set: set.into(),
            problem: measured.problem.name().into(),
            operands: print_list(&measured.example.operands),
            solution: print_list(&measured.example.solution),
            prediction: print_list(&measured.prediction),
            error: measured.error,
            ceiling: measured.ceiling,
            exact: measured.exact,
            log_probability: measured.log_probability,
            clean: if clean.is_empty() {
                String::new()
            } else {
                print_list(clean)
            },
            residual: measured.residual,
            verified_error: error(measured.verified),
            repaired_error: error(measured.repaired),
            verified_residual: residual(measured.verified),
            repaired_residual: residual(measured.repaired),
            limit: measured.limit,
        }
    }
}

/// Writes every answer of every set.
pub fn write_predictions(path: &Path, sets: &[TestSet]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for set in sets {
        for measured in &set.evaluation.examples {
            writer.serialize(Row::new(&set.name, measured))?;
        }
    }
    file::replace(path, &writer.into_inner()?)
}

/// The answers of the parts of an evaluation, by set and index.
#[derive(Debug)]
pub struct Predictions(BTreeMap<(String, u64), (PathBuf, Row)>);

impl Predictions {
    /// Reads files that [`write_predictions`] wrote. An example must not occur twice.
    pub fn read(files: &[PathBuf]) -> Result<Self> {
        let mut found = BTreeMap::new();
        for file in files {
            let reader = csv::Reader::from_path(file).with_context(|| format!("cannot read {}", file.display()))?;
            for (row, line) in reader.into_deserialize::<Row>().zip(2..) {
                let row = row.with_context(|| {
                    format!("{}, row {line}: not an answer that --predictions wrote", file.display())
                })?;
                let (set, index) = (row.set.clone(), row.index);
                if let Some((other, _)) = found.insert((set.clone(), index), (file.clone(), row)) {
                    bail!(
                        "example {index} of {set} is in {} and in {}: give each part once",
                        other.display(),
                        file.display()
                    );
                }
            }
        }
        Ok(Self(found))
    }

    /// Fails if there are answers of other sets than `names`.
    pub fn check_sets(&self, names: &[&str]) -> Result<()> {
        for ((set, _), (file, _)) in &self.0 {
            ensure!(
                names.contains(&set.as_str()),
                "{} has answers of the set {set}, which is not evaluated here: give the options that the parts were measured with",
                file.display()
            );
        }
        Ok(())
    }

    /// The evaluation of the first `count` examples of the set `name`, whose examples are those of `source`.
    pub fn evaluation(
        &self,
        name: &str,
        source: &dyn Source,
        count: u64,
        formats: &[Format],
        tolerances: &[f64],
    ) -> Result<Evaluation> {
        let examples = (0..count).map(|index| {
            let Some((file, row)) = self.0.get(&(name.to_string(), index)) else {
                bail!("example {index} of {name} is missing: give all parts, and the --count that they were measured with");
            };
            let example = source.example(index)?;
            ensure!(
                print_list(&example.operands) == row.operands,
                "{}: example {index} of {name} has other operands than here: give the options that the parts were measured with",
                file.display()
            );
            let task = source.task_of(index);
            let outcome = |error: Option<f64>, residual: Option<f64>| {
                error.zip(residual).map(|(error, residual)| Outcome { residual, error })
            };
            Ok(Measured {
                index,
                problem: formats[task].problem,
                task,
                size: formats[task].size_of(&example.operands)?,
                error: row.error,
                ceiling: row.ceiling,
                limit: row.limit,
                exact: row.exact,
                log_probability: row.log_probability,
                residual: row.residual,
                verified: outcome(row.verified_error, row.verified_residual),
                repaired: outcome(row.repaired_error, row.repaired_residual),
                // Invalid answers have no matrices.
                prediction: parse_list(&row.prediction).unwrap_or_default(),
                example,
            })
        });
        Ok(Evaluation {
            tolerances: tolerances.to_vec(),
            examples: examples.collect::<Result<_>>()?,
        })
    }
}
