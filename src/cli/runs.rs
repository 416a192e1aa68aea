//! `laformer runs`: lists run folders, or compares two.

use super::Failure;
use super::output::{say, tell};
use crate::dataset::Dimensions;
use crate::differences::differences;
use crate::file;
use crate::report::{EvaluationRow, Table, last_evaluation, percent};
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// List run folders, or show what differs between two
#[derive(Debug, Args)]
pub struct Runs {
    /// Two run folders to compare
    #[arg(num_args = 0..=2)]
    folders: Vec<PathBuf>,
    /// The folder that contains the run folders
    #[arg(long, default_value = "checkpoints")]
    root: PathBuf,
    /// One row for all runs that differ only in their seeds: their mean accuracy and its 95 % interval
    #[arg(long, conflicts_with = "folders")]
    seeds: bool,
}

/// The text files of a run folder, which need no model and no libtorch.
struct Run {
    folder: PathBuf,
    recipe: toml::Table,
    told: Told,
}

/// The recipe keys that the list shows.
#[derive(Deserialize)]
struct Told {
    problem: String,
    dim: String,
    rows: String,
    cols: String,
    data: Data,
    training: Training,
    evaluation: Evaluation,
}

#[derive(Deserialize)]
struct Data {
    seed: u64,
}

#[derive(Deserialize)]
struct Training {
    seed: u64,
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
        let damaged = || format!("{} is damaged", config.display());
        let text = String::from_utf8(file::read(&config)?).with_context(damaged)?;
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

    /// The last evaluation, with one accuracy for each tolerance. Fails if the metrics are damaged.
    fn last(&self) -> Result<Option<EvaluationRow>> {
        let metrics = self.folder.join("metrics.csv");
        let last = last_evaluation(&metrics)?;
        if let Some(EvaluationRow { step, accuracies, .. }) = &last {
            let (steps, tolerances) = (self.told.training.steps, self.told.evaluation.tolerances.len());
            ensure!(
                accuracies.len() == tolerances && *step <= steps,
                "{} is damaged: it has {} accuracies after step {step}, but the recipe has {tolerances} tolerances and {steps} steps",
                metrics.display(),
                accuracies.len()
            );
        }
        Ok(last)
    }

    fn variant(&self) -> Variant {
        let name = self.folder.display().to_string();
        let end = format!("-{}", self.told.training.seed);
        let name = name.strip_suffix(&end).map(str::to_string);
        let chosen = if name.is_some() {
            &["threads", "data_threads", "precision"][..]
        } else {
            &[]
        };
        let mut recipe = self.recipe.clone();
        for (section, keys) in [("data", &["seed"][..]), ("training", &["seed"]), ("training", chosen)] {
            if let Some(section) = recipe.get_mut(section).and_then(toml::Value::as_table_mut) {
                section.retain(|key, _| !keys.contains(&key));
            }
        }
        (recipe, name)
    }
}

/// What is the same in runs that are compared over their seeds: the recipe without seeds, and the name of the variant. A variant with
/// a name may have other threads and another precision on another machine, where `auto` chose them.
type Variant = (toml::Table, Option<String>);

/// A run and its last evaluation.
struct Measured {
    run: Run,
    last: Option<EvaluationRow>,
}

impl Measured {
    /// Fails if the folder holds no run, or if its files are damaged.
    fn open(folder: &Path) -> Result<Self> {
        ensure!(
            Run::exists(folder)?,
            "{0} holds no run; the runs within a folder are listed by `laformer runs --root {0}`",
            folder.display()
        );
        let run = Run::open(folder)?;
        let last = run.last()?;
        Ok(Self { run, last })
    }
}

const NOT_EVALUATED: &str = "not evaluated yet";

impl Runs {
    /// The list of the runs in a folder, with one row for all seeds.
    #[cfg(feature = "libtorch")]
    pub fn over_seeds(root: &Path) -> Self {
        Self {
            folders: Vec::new(),
            root: root.to_path_buf(),
            seeds: true,
        }
    }

    pub fn run(self) -> Result<(), Failure> {
        let mut damaged = 0;
        let table = match self.folders.as_slice() {
            [] => {
                let mut runs = Vec::new();
                for folder in children(&self.root)? {
                    match Measured::open(&folder) {
                        Ok(run) => runs.push(run),
                        // The other runs are still worth a table.
                        Err(error) => {
                            tell!("{error:#}");
                            damaged += 1;
                        }
                    }
                }
                if self.seeds {
                    list_over_seeds(runs)
                } else {
                    list(&runs)?
                }
            }
            [one] => list(&[Measured::open(one)?])?,
            [a, b, ..] => compare(&Measured::open(a)?, &Measured::open(b)?),
        };
        say!("{table}")?;
        if damaged > 0 {
            return Err(anyhow!("{damaged} damaged runs are left out; their errors are above").into());
        }
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

fn list(runs: &[Measured]) -> Result<Table> {
    let mut table = Table::new(&[
        "run", "problem", "size", "steps", "examples", "minutes", "within", "accuracy",
    ]);
    for Measured { run, last } in runs {
        let mut cells = vec![run.folder.display().to_string(), run.told.problem.clone(), run.size()?];
        match last {
            Some(last) => cells.extend([
                format!("{}/{}", last.step, run.told.training.steps),
                last.examples.to_string(),
                format!("{:.1}", last.elapsed / 60.0),
                percents(&run.told.evaluation.tolerances),
                percents(&last.accuracies),
            ]),
            None => cells.extend(["0", "0", "-", "-", NOT_EVALUATED].map(String::from)),
        }
        table.row(cells);
    }
    Ok(table)
}

/// A row for each variant. Its figures are those of finished runs, each seed once.
fn list_over_seeds(runs: Vec<Measured>) -> Table {
    let mut variants: Vec<(Variant, Vec<Measured>)> = Vec::new();
    for run in runs {
        let variant = run.run.variant();
        match variants.iter_mut().find(|(other, _)| *other == variant) {
            Some((_, runs)) => runs.push(run),
            None => variants.push((variant, vec![run])),
        }
    }
    let mut table = Table::new(&[
        "run",
        "seeds",
        "examples",
        "minutes",
        "within",
        "mean accuracy",
        "95 % interval",
    ]);
    for (_, runs) in &variants {
        let mut seeds = HashMap::new();
        let rows: Vec<&EvaluationRow> = runs
            .iter()
            .filter_map(|Measured { run, last }| {
                let folder = run.folder.display();
                let last = last.as_ref().filter(|last| last.step == run.told.training.steps);
                if last.is_none() {
                    tell!("{folder} is not finished, and does not count");
                    return None;
                }
                if let Some(other) = seeds.insert((run.told.data.seed, run.told.training.seed), folder.to_string()) {
                    tell!("{folder} has the recipe and the seeds of {other}, and does not count");
                    return None;
                }
                last
            })
            .collect();
        let names: Vec<String> = runs.iter().map(|run| run.run.folder.display().to_string()).collect();
        let mut cells = vec![shared_name(&names), rows.len().to_string()];
        if rows.is_empty() {
            cells.extend(["0", "-", "-", "not finished yet", "-"].map(String::from));
        } else {
            let count = rows.len() as f64;
            let mean = |of: fn(&EvaluationRow) -> f64| rows.iter().map(|row| of(row)).sum::<f64>() / count;
            let tolerances = &runs[0].run.told.evaluation.tolerances;
            let statistics = (0..tolerances.len())
                .map(|place| mean_and_interval(&rows.iter().map(|row| row.accuracies[place]).collect::<Vec<_>>()));
            let (means, halves): (Vec<f64>, Vec<Option<f64>>) = statistics.unzip();
            let intervals = halves
                .into_iter()
                .map(|half| half.map_or("-".into(), |half| format!("± {}", percent(half))));
            cells.extend([
                format!("{:.0}", mean(|row| row.examples as f64)),
                format!("{:.1}", mean(|row| row.elapsed / 60.0)),
                percents(tolerances),
                percents(&means),
                intervals.collect::<Vec<_>>().join(" / "),
            ]);
        }
        table.row(cells);
    }
    table
}

/// The mean, and half the width of its 95 % interval by Student's t distribution; no interval for a single value.
fn mean_and_interval(values: &[f64]) -> (f64, Option<f64>) {
    /// Quantiles of 97.5 %, from one degree of freedom on.
    const T: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let freedom = values.len().saturating_sub(1);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    // Beyond the table, the quantile of its last degree of freedom is a safe bound.
    let t = T[freedom.clamp(1, T.len()) - 1];
    let half = t * (squares / freedom as f64 / count).sqrt();
    (mean, (freedom > 0).then_some(half))
}

/// A name for runs that differ only in their seeds: `add-whole` for `add-whole-1` and `add-whole-2`.
fn shared_name(names: &[String]) -> String {
    let is_seed = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    let without_seed = |name: &String| match name.rsplit_once('-') {
        Some((name, seed)) if is_seed(seed) => Some(name.to_string()),
        _ => None,
    };
    let shared = names.first().and_then(without_seed);
    match (names, shared) {
        ([one], _) => one.clone(),
        (_, Some(shared)) if names.iter().all(|name| without_seed(name).as_ref() == Some(&shared)) => shared,
        _ => names.join(", "),
    }
}

fn percents(shares: &[f64]) -> String {
    shares
        .iter()
        .map(|share| percent(*share))
        .collect::<Vec<_>>()
        .join(" / ")
}

fn compare(a: &Measured, b: &Measured) -> Table {
    let name = |measured: &Measured| measured.run.folder.display().to_string();
    let mut table = Table::new(&["", &name(a), &name(b)]);
    for (key, left, right) in differences(&a.run.recipe, &b.run.recipe) {
        table.row(vec![key, left, right]);
    }
    let accuracy = |measured: &Measured| {
        let last = measured.last.as_ref();
        last.map_or(NOT_EVALUATED.to_string(), |last| percents(&last.accuracies))
    };
    table.row(vec!["accuracy (%)".to_string(), accuracy(a), accuracy(b)]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_that_of_student() {
        // Deviation 0.1, so the standard error is 0.1 / sqrt(3).
        let (mean, half) = mean_and_interval(&[0.8, 0.9, 1.0]);
        assert!((mean - 0.9).abs() < 1e-12 && (half.unwrap() - 4.303 * 0.1 / 3f64.sqrt()).abs() < 1e-12);
        assert_eq!(mean_and_interval(&[0.5]), (0.5, None));
    }

    #[test]
    fn runs_are_named_by_what_they_share() {
        let named = |names: &[&str]| shared_name(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
        assert_eq!(named(&["a/whole-1", "a/whole-2", "a/whole-10"]), "a/whole");
        assert_eq!(named(&["a/batch-256-1", "a/batch-256-10"]), "a/batch-256");
        assert_eq!(named(&["a/whole-1"]), "a/whole-1");
        assert_eq!(named(&["a/my-run", "a/my-run2"]), "a/my-run, a/my-run2");
    }
}
