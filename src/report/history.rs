//! The evaluations of a run, read from its `metrics.csv`.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

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

/// Prefix of the accuracy columns: `accuracy_0.05`.
pub(super) const ACCURACY: &str = "accuracy_";
/// Prefix of the accuracy columns for repeated training examples.
pub(super) const TRAINING_SET: &str = "training_set_accuracy_";

/// All evaluations in a metrics file, with the names of its accuracy columns.
pub fn evaluations(path: &Path) -> Result<(Vec<String>, Vec<EvaluationRow>)> {
    if !path.exists() {
        return Ok((Vec::new(), Vec::new()));
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .with_context(|| format!("{} is damaged", path.display()))?
        .clone();
    let with = |prefix: &str| -> Vec<usize> {
        let columns = headers.iter().enumerate();
        let found = columns.filter(|(_, name)| name.starts_with(prefix));
        found.map(|(i, _)| i).collect()
    };
    let (columns, on_training_set) = (with(ACCURACY), with(TRAINING_SET));
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("{} is damaged", path.display()))?;
        let number = |column: usize| record.get(column).and_then(|cell| cell.parse::<f64>().ok());
        let numbers =
            |columns: &[usize]| -> Option<Vec<f64>> { columns.iter().map(|&column| number(column)).collect() };
        if let (Some(step), Some(examples), Some(elapsed), Some(accuracies)) =
            (number(0), number(1), number(2), numbers(&columns))
        {
            rows.push(EvaluationRow {
                step: step as u64,
                examples: examples as u64,
                elapsed,
                accuracies,
                training_set: numbers(&on_training_set).unwrap_or_default(),
            });
        }
    }
    let names = columns
        .iter()
        .filter_map(|&column| headers[column].strip_prefix(ACCURACY))
        .map(str::to_string)
        .collect();
    Ok((names, rows))
}

/// The last evaluation in a metrics file.
pub fn last_evaluation(path: &Path) -> Result<Option<EvaluationRow>> {
    Ok(evaluations(path)?.1.pop())
}
