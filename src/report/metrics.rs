//! `metrics.csv`: the log in machine-readable form.

use super::history::{ACCURACY, FIRST, TRAINING_SET};
use crate::evaluation::Evaluation;
use crate::file;
use crate::training::LogLine;
use anyhow::{Context, Result, ensure};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

/// Appends rows to the file. A row has either the losses of a log line, or the accuracies of an evaluation.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    columns: Vec<String>,
}

impl Metrics {
    /// `parts` are the names of the parts of the loss. `problems` are the names of several problems, whose accuracies
    /// have columns of their own. `repeats` adds columns for the training set.
    pub fn new(path: &Path, parts: &[String], tolerances: &[f64], problems: &[&str], repeats: bool) -> Self {
        let mut columns = FIRST.map(str::to_string).to_vec();
        columns.push("loss".into());
        columns.extend(parts.iter().map(|part| format!("loss_{part}")));
        columns.extend(
            [
                "gradient_norm",
                "learning_rate",
                "examples_per_second",
                "waiting_share",
                "remaining_seconds",
                "precision",
            ]
            .map(str::to_string),
        );
        columns.extend(tolerances.iter().map(|tolerance| format!("{ACCURACY}{tolerance}")));
        columns.extend(["exact", "median_error"].map(str::to_string));
        let mut more = |prefix: &str| columns.extend(tolerances.iter().map(|tolerance| format!("{prefix}{tolerance}")));
        if problems.len() > 1 {
            problems
                .iter()
                .for_each(|problem| more(&format!("{problem}_{ACCURACY}")));
        }
        if repeats {
            more(TRAINING_SET);
        }
        Self {
            path: path.to_path_buf(),
            columns,
        }
    }

    /// Starts a new file, or drops the rows after `step` if the run is resumed. An evaluation at `step` is also
    /// dropped, because it will be repeated.
    pub fn start(&self, step: u64) -> Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns)?;
        if step > 0 && file::exists(&self.path)? {
            let content = file::read(&self.path)?;
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&content[..]);
            ensure!(
                reader.headers()?.iter().eq(&self.columns),
                "{} has other columns than this run writes: move it away, or choose another --output",
                self.path.display()
            );
            for record in reader.records() {
                let record = record.with_context(|| format!("{} is damaged", self.path.display()))?;
                let row_step = record.get(0).and_then(|step| step.parse::<u64>().ok());
                let is_evaluation = record.get(3).is_none_or(str::is_empty);
                // If the process was killed, the last row may be incomplete.
                let whole = record.len() == self.columns.len();
                if whole && row_step.is_some_and(|row| row < step || (row == step && !is_evaluation)) {
                    writer.write_record(&record)?;
                }
            }
        }
        file::replace(&self.path, &writer.into_inner()?)
    }

    pub fn logged(&self, line: &LogLine) -> Result<()> {
        let mut cells = vec![
            line.step.to_string(),
            line.examples.to_string(),
            format!("{:.3}", line.elapsed),
            line.loss.to_string(),
        ];
        cells.extend(line.parts.iter().map(|(_, loss)| loss.to_string()));
        cells.extend([
            line.gradient_norm.to_string(),
            line.learning_rate.to_string(),
            format!("{:.1}", line.examples_per_second),
            format!("{:.4}", line.waiting),
            format!("{:.1}", line.remaining),
            line.precision.name().to_string(),
        ]);
        self.append(cells)
    }

    pub fn evaluated(
        &self,
        step: u64,
        examples: u64,
        elapsed: f64,
        evaluation: &Evaluation,
        training_set: Option<&Evaluation>,
    ) -> Result<()> {
        let shares = |evaluation: &Evaluation| -> Vec<String> {
            let accuracies = evaluation.accuracies().into_iter();
            accuracies.map(|accuracy| accuracy.share().to_string()).collect()
        };
        let mut cells = vec![step.to_string(), examples.to_string(), format!("{elapsed:.3}")];
        let before = self
            .columns
            .iter()
            .position(|column| column.starts_with(ACCURACY))
            .unwrap_or(cells.len());
        cells.resize(before, String::new());
        cells.extend(shares(evaluation));
        cells.extend([
            evaluation.exact().share().to_string(),
            evaluation.median_error().to_string(),
        ]);
        let problems = evaluation.by_problem();
        if problems.len() > 1 {
            cells.extend(problems.iter().flat_map(|(_, part)| shares(part)));
        }
        cells.extend(training_set.map(shares).unwrap_or_default());
        self.append(cells)
    }

    fn append(&self, mut cells: Vec<String>) -> Result<()> {
        cells.resize(self.columns.len(), String::new());
        let context = || format!("cannot write {}", self.path.display());
        let file = OpenOptions::new().append(true).open(&self.path).with_context(context)?;
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(&cells)?;
        writer.flush().with_context(context)
    }
}
