//! Answers of an evaluation as CSV. `eval --predictions` writes them, and `eval --parts` reads them back.

use super::TestSet;
use crate::dataset::{Format, Source};
use crate::evaluation::{Evaluation, Measured, Outcome, Search};
use crate::file;
use crate::matrix::fingerprint;
use crate::matrix::text::{parse_list, print_list};
use crate::recipe::Recipe;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::mem;
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
    /// A hash of the [`Seal`] and of all other columns.
    checksum: String,
}

/// What gave the answers of a file: the checkpoint, and how it answered.
#[derive(Debug)]
pub struct Seal(u64);

impl Seal {
    /// `checkpoint` is the checksum of its file. The recipe has the readout and whether operands are normalized.
    pub fn new(checkpoint: u32, recipe: &Recipe, search: &Search) -> Result<Self> {
        let origin = format!("{checkpoint} {search:?} {}", recipe.to_toml()?);
        Ok(Self(fingerprint(&origin)))
    }

    /// The hash of a row without a checksum.
    fn checksum(&self, row: &Row) -> String {
        format!("{:016x}", fingerprint(&format!("{} {row:?}", self.0)))
    }
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
            checksum: String::new(),
        }
    }
}

/// Writes every answer of every set.
pub fn write_predictions(path: &Path, sets: &[TestSet], seal: &Seal) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for set in sets {
        for measured in &set.evaluation.examples {
            let mut row = Row::new(&set.name, measured);
            row.checksum = seal.checksum(&row);
            writer.serialize(row)?;
        }
    }
    file::replace(path, &writer.into_inner()?)
}

/// The answers of the parts of an evaluation, by set and index.
#[derive(Debug)]
pub struct Predictions(BTreeMap<(String, u64), (PathBuf, Row)>);

impl Predictions {
    /// Reads files that [`write_predictions`] wrote with the same seal. An example must not occur twice.
    pub fn read(files: &[PathBuf], seal: &Seal) -> Result<Self> {
        let mut found = BTreeMap::new();
        for file in files {
            let content = file::read(file)?;
            for (row, line) in csv::Reader::from_reader(&content[..])
                .into_deserialize::<Row>()
                .zip(2..)
            {
                let mut row = row.with_context(|| {
                    format!("{}, row {line}: not an answer that --predictions wrote", file.display())
                })?;
                let told = mem::take(&mut row.checksum);
                ensure!(
                    told == seal.checksum(&row),
                    "{}, row {line}: another model or other options gave this answer, or the row was changed: measure this part again \
                     with the model and options given here",
                    file.display()
                );
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
        let beyond = (name.to_string(), count)..=(name.to_string(), u64::MAX);
        if let Some(((_, index), (file, _))) = self.0.range(beyond).next() {
            bail!(
                "{}: example {index} of {name} is not among the first {count}: give the --count that the parts were measured with",
                file.display()
            );
        }
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
