//! The evaluations of a run, read from its `metrics.csv`.

use crate::file;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::str::FromStr;

/// The evaluation in one row of `metrics.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationRow {
    pub step: u64,
    pub examples: u64,
    pub elapsed: f64,
    /// In the order of the recipe's tolerances.
    pub accuracies: Vec<f64>,
    /// Accuracies on the training set; empty if not measured.
    pub training_set: Vec<f64>,
}

/// The first columns.
pub(super) const FIRST: [&str; 3] = ["step", "examples", "elapsed_seconds"];
/// Prefix of the accuracy columns: `accuracy_0.05`.
pub(super) const ACCURACY: &str = "accuracy_";
/// Prefix of the accuracy columns for repeated training examples.
pub(super) const TRAINING_SET: &str = "training_set_accuracy_";

/// All evaluations in a metrics file, with the names of its accuracy columns. Fails if a number is missing or impossible.
pub fn evaluations(path: &Path) -> Result<(Vec<String>, Vec<EvaluationRow>)> {
    if !file::exists(path)? {
        return Ok((Vec::new(), Vec::new()));
    }
    let content = file::read(path)?;
    let damaged = || format!("{} is damaged", path.display());
    // A last line without its end is being written, or its writer was killed.
    let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut reader = csv::Reader::from_reader(&content[..whole]);
    let headers = reader.headers().with_context(damaged)?.clone();
    ensure!(
        headers.iter().take(FIRST.len()).eq(FIRST),
        "{} is damaged: it must begin with the columns {}",
        path.display(),
        FIRST.join(",")
    );
    let with = |prefix: &str| -> Vec<usize> {
        let columns = headers.iter().enumerate();
        let found = columns.filter(|(_, name)| name.starts_with(prefix));
        found.map(|(i, _)| i).collect()
    };
    let (columns, on_training_set) = (with(ACCURACY), with(TRAINING_SET));
    let mut rows = Vec::new();
    for (record, line) in reader.records().zip(2..) {
        let damaged = || format!("{} is damaged, line {line}", path.display());
        let record = record.with_context(damaged)?;
        // A line of the log has no accuracies.
        if columns.iter().all(|&column| record[column].is_empty()) {
            continue;
        }
        let of = |column: usize| Cell {
            name: &headers[column],
            text: &record[column],
        };
        let shares =
            |columns: &[usize]| -> Result<Vec<f64>> { columns.iter().map(|&column| of(column).share()).collect() };
        let measured: Vec<usize> = on_training_set
            .iter()
            .copied()
            .filter(|&column| !record[column].is_empty())
            .collect();
        let row = || -> Result<EvaluationRow> {
            Ok(EvaluationRow {
                step: of(0).parse()?,
                examples: of(1).parse()?,
                elapsed: of(2).seconds()?,
                accuracies: shares(&columns)?,
                training_set: shares(&measured)?,
            })
        };
        rows.push(row().with_context(damaged)?);
    }
    let names = columns
        .iter()
        .filter_map(|&column| headers[column].strip_prefix(ACCURACY))
        .map(str::to_string)
        .collect();
    Ok((names, rows))
}

/// The text in a named column.
struct Cell<'a> {
    name: &'a str,
    text: &'a str,
}

impl Cell<'_> {
    fn parse<T: FromStr>(&self) -> Result<T> {
        let parsed = self.text.parse().ok();
        parsed.with_context(|| format!("{} is `{}`, which is no number", self.name, self.text))
    }

    fn seconds(&self) -> Result<f64> {
        let seconds: f64 = self.parse()?;
        ensure!(
            seconds.is_finite() && seconds >= 0.0,
            "{} is {seconds}, which is no duration",
            self.name
        );
        Ok(seconds)
    }

    fn share(&self) -> Result<f64> {
        let share = self.parse()?;
        ensure!(
            (0.0..=1.0).contains(&share),
            "{} is {share}, but must be from 0 to 1",
            self.name
        );
        Ok(share)
    }
}

/// The last evaluation in a metrics file.
pub fn last_evaluation(path: &Path) -> Result<Option<EvaluationRow>> {
    Ok(evaluations(path)?.1.pop())
}
