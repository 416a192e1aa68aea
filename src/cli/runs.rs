//! `laformer runs`: the run folders, or what differs between two.

use super::Failure;
use super::output::say;
use crate::report::{self, Table, percent};
use crate::training::{Recipe, Run};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

/// List run folders, or show what differs between two
#[derive(Debug, Args)]
pub struct Runs {
    /// Two run folders to compare
    #[arg(num_args = 0..=2)]
    folders: Vec<PathBuf>,
    /// Where the run folders are
    #[arg(long, default_value = "checkpoints")]
    root: PathBuf,
}

impl Runs {
    pub fn run(self) -> Result<(), Failure> {
        let table = match self.folders.as_slice() {
            [] => list(&children(&self.root)?)?,
            [one] => list(std::slice::from_ref(one))?,
            [a, b, ..] => compare(a, b)?,
        };
        say!("{table}")?;
        Ok(())
    }
}

fn children(root: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut folders: Vec<PathBuf> = paths.collect::<Result<_>>()?;
    folders.retain(|folder| Run::exists(folder));
    folders.sort();
    Ok(folders)
}

fn list(folders: &[PathBuf]) -> Result<Table> {
    let mut table = Table::new(&[
        "run", "problem", "size", "steps", "examples", "minutes", "within", "accuracy",
    ]);
    for folder in folders {
        ensure!(
            Run::exists(folder),
            "{0} holds no run; the runs within a folder are listed by `laformer runs --root {0}`",
            folder.display()
        );
        let (run, recipe) = Run::open(folder)?;
        let last = report::last_evaluation(&run.metrics())?;
        let size = recipe.dimensions()?.label();
        let mut cells = vec![folder.display().to_string(), recipe.problem.clone(), size];
        match last {
            Some(last) => cells.extend([
                format!("{}/{}", last.step, recipe.training.steps),
                last.examples.to_string(),
                format!("{:.1}", last.elapsed / 60.0),
                percents(&recipe.evaluation.tolerances),
                percents(&last.accuracies),
            ]),
            None => cells.extend([
                "0".into(),
                "0".into(),
                "-".into(),
                "-".into(),
                "not evaluated yet".into(),
            ]),
        }
        table.row(cells);
    }
    Ok(table)
}

fn percents(shares: &[f64]) -> String {
    shares
        .iter()
        .map(|share| percent(*share))
        .collect::<Vec<_>>()
        .join(" / ")
}

fn compare(a: &Path, b: &Path) -> Result<Table> {
    let ((run_a, recipe_a), (run_b, recipe_b)) = (Run::open(a)?, Run::open(b)?);
    let mut table = Table::new(&["", &a.display().to_string(), &b.display().to_string()]);
    for (key, left, right) in Recipe::differences(&recipe_a, &recipe_b)? {
        table.row(vec![key, left, right]);
    }
    let accuracy = |run: &Run| -> Result<String> {
        let last = report::last_evaluation(&run.metrics())?;
        Ok(last.map_or("not evaluated yet".to_string(), |last| percents(&last.accuracies)))
    };
    table.row(vec!["accuracy (%)".to_string(), accuracy(&run_a)?, accuracy(&run_b)?]);
    Ok(table)
}
