//! `laformer runs`: lists run folders, or compares two.

use super::Failure;
use super::output::say;
use crate::dataset::Dimensions;
use crate::differences::differences;
use crate::file;
use crate::report::{Table, last_evaluation, percent};
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;
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

/// The text files of a run folder, which need no model and no libtorch.
struct Run {
    folder: PathBuf,
    recipe: toml::Table,
    told: Told,
}

/// The recipe keys in the list.
#[derive(Deserialize)]
struct Told {
    problem: String,
    dim: String,
    rows: String,
    cols: String,
    training: Training,
    evaluation: Evaluation,
}

#[derive(Deserialize)]
struct Training {
    steps: u64,
}

#[derive(Deserialize)]
struct Evaluation {
    tolerances: Vec<f64>,
}

impl Run {
    fn exists(folder: &Path) -> Result<bool> {
        file::exists(&folder.join("config.toml"))
    }

    fn open(folder: &Path) -> Result<Self> {
        let config = folder.join("config.toml");
        let text = fs::read_to_string(&config)
            .with_context(|| format!("{} holds no run: cannot read config.toml", folder.display()))?;
        let damaged = || format!("{} is damaged", config.display());
        Ok(Self {
            folder: folder.to_path_buf(),
            recipe: text.parse().with_context(damaged)?,
            told: toml::from_str(&text).with_context(damaged)?,
        })
    }

    fn size(&self) -> Result<String> {
        let told = &self.told;
        let [dim, rows, cols] =
            [&told.dim, &told.rows, &told.cols].map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
        Ok(Dimensions::from_parts(dim, rows, cols)?.label())
    }

    fn metrics(&self) -> PathBuf {
        self.folder.join("metrics.csv")
    }
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
    // Unreadable folders stay in the list, with their error.
    folders.retain(|folder| Run::exists(folder).unwrap_or(true));
    folders.sort();
    Ok(folders)
}

fn list(folders: &[PathBuf]) -> Result<Table> {
    let mut table = Table::new(&[
        "run", "problem", "size", "steps", "examples", "minutes", "within", "accuracy",
    ]);
    for folder in folders {
        ensure!(
            Run::exists(folder)?,
            "{0} holds no run; the runs within a folder are listed by `laformer runs --root {0}`",
            folder.display()
        );
        let run = Run::open(folder)?;
        let last = last_evaluation(&run.metrics())?;
        let mut cells = vec![folder.display().to_string(), run.told.problem.clone(), run.size()?];
        match last {
            Some(last) => cells.extend([
                format!("{}/{}", last.step, run.told.training.steps),
                last.examples.to_string(),
                format!("{:.1}", last.elapsed / 60.0),
                percents(&run.told.evaluation.tolerances),
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
    let (run_a, run_b) = (Run::open(a)?, Run::open(b)?);
    let mut table = Table::new(&["", &a.display().to_string(), &b.display().to_string()]);
    for (key, left, right) in differences(&run_a.recipe, &run_b.recipe) {
        table.row(vec![key, left, right]);
    }
    let accuracy = |run: &Run| -> Result<String> {
        let last = last_evaluation(&run.metrics())?;
        Ok(last.map_or("not evaluated yet".to_string(), |last| percents(&last.accuracies)))
    };
    table.row(vec!["accuracy (%)".to_string(), accuracy(&run_a)?, accuracy(&run_b)?]);
    Ok(table)
}
