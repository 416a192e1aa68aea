//! `laformer curve`: the accuracies of several runs against their numbers of training examples.

use super::options::{Comparison, ComparisonOptions};
use super::{Failure, UsageError};
use crate::evaluation::Accuracy;
use crate::recipe::Recipe;
use crate::report::curves::{Axis, accuracy_curves};
use crate::report::{self, EvaluationRow, Table};
use crate::training::Run;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Compare runs: validation accuracy against the number of training examples
///
/// A run that began with the weights of another (train --from) counts only its own examples. In the picture, the axis
/// of examples is logarithmic.
#[derive(Debug, Args)]
pub struct Curve {
    /// Run folders
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Relative error below which an answer counts as right; one of the runs' evaluation.tolerances
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
    tolerance: f64,
    /// Show only the last evaluation of each run, and join runs that differ only in length to one line
    #[arg(long)]
    ends: bool,
    #[command(flatten)]
    show: ComparisonOptions,
}

/// The accuracy of a run after a number of examples.
struct Point {
    run: String,
    examples: u64,
    accuracy: Accuracy,
}

struct Line {
    name: String,
    /// The recipe of the line's runs, without their length.
    recipe: Recipe,
    points: Vec<Point>,
}

/// The lines to compare, and the tolerance of their accuracies.
struct Lines {
    tolerance: f64,
    lines: Vec<Line>,
}

impl Curve {
    pub fn run(self) -> Result<(), Failure> {
        self.show.check().usage()?;
        let lines = Lines {
            tolerance: self.tolerance,
            lines: self.lines().usage()?,
        };
        Ok(self.show.show(&lines)?)
    }

    fn lines(&self) -> Result<Vec<Line>> {
        let mut lines: Vec<Line> = Vec::new();
        for folder in &self.folders {
            let (run, recipe) = Run::open(folder)?;
            let name = name(folder)?;
            let mut points = self.points(&run, &recipe, &name)?;
            if !self.ends {
                lines.push(Line { name, recipe, points });
                continue;
            }
            let last = points.split_off(points.len() - 1);
            let recipe = without_length(recipe);
            match lines.iter_mut().find(|line| line.recipe == recipe) {
                Some(line) => line.points.extend(last),
                None => lines.push(Line {
                    name,
                    recipe,
                    points: last,
                }),
            }
        }
        for line in &mut lines {
            line.points.sort_by_key(|point| point.examples);
            line.name = common_name(line);
        }
        Ok(lines)
    }

    /// The evaluations of a run at the tolerance.
    fn points(&self, run: &Run, recipe: &Recipe, name: &str) -> Result<Vec<Point>> {
        let folder = run.folder().display();
        let (tolerances, rows) = report::evaluations(&run.metrics())?;
        ensure!(
            !rows.is_empty(),
            "{folder} was not evaluated yet: continue it with train --resume"
        );
        let is_ours = |text: &String| text.parse::<f64>().is_ok_and(|tolerance| tolerance == self.tolerance);
        let Some(column) = tolerances.iter().position(is_ours) else {
            bail!(
                "--tolerance {}: {folder} was evaluated within {}",
                self.tolerance,
                tolerances.join(", ")
            )
        };
        // `evaluation.count` counts the examples of each problem.
        let count = recipe.evaluation.count * recipe.problems.len();
        let point = |row: EvaluationRow| Point {
            run: name.to_string(),
            examples: row.examples,
            accuracy: Accuracy {
                right: (row.accuracies[column] * count as f64).round() as usize,
                count,
            },
        };
        Ok(rows.into_iter().map(point).collect())
    }
}

impl Lines {
    fn title(&self) -> String {
        format!("validation accuracy within {} %", report::percent(self.tolerance))
    }

    /// One row for each point; `cells` formats its accuracy under `headers`.
    fn rows<const N: usize>(&self, headers: [&str; N], cells: impl Fn(Accuracy) -> [String; N]) -> Table {
        let mut table = Table::new(["line", "run", "examples"].into_iter().chain(headers));
        for line in &self.lines {
            for point in &line.points {
                let start = [line.name.clone(), point.run.clone(), point.examples.to_string()];
                table.row([&start[..], &cells(point.accuracy)].concat());
            }
        }
        table
    }
}

impl Comparison for Lines {
    fn table(&self) -> Table {
        self.rows(["accuracy", "low", "high"], |accuracy| {
            let (low, high) = accuracy.interval();
            [accuracy.share(), low, high].map(|share| share.to_string())
        })
    }

    fn draw(&self, path: &Path) -> Result<()> {
        let curves: Vec<_> = self.lines.iter().map(drawn).collect();
        accuracy_curves(path, &self.title(), &curves, Axis::Logarithmic)
    }

    fn json(&self) -> Value {
        let point = |point: &Point| {
            json!({
                "run": point.run,
                "examples": point.examples,
                "accuracy": point.accuracy.share(),
                "interval": point.accuracy.interval(),
            })
        };
        let lines = self.lines.iter().map(|line| {
            let points: Vec<_> = line.points.iter().map(point).collect();
            json!({ "line": line.name, "points": points })
        });
        json!({ "tolerance": self.tolerance, "lines": lines.collect::<Vec<_>>() })
    }

    fn text(&self) -> String {
        let table = self.rows(["right", "95 % interval"], |accuracy| {
            let (low, high) = accuracy.interval();
            let [share, low, high] = [accuracy.share(), low, high].map(|share| format!("{:.2}", 100.0 * share));
            [format!("{share} %"), format!("{low} to {high}")]
        });
        format!("{}\n{table}", self.title())
    }
}

/// The last part of a path.
fn name(folder: &Path) -> Result<String> {
    let whole = folder
        .canonicalize()
        .with_context(|| format!("cannot find {}", folder.display()))?;
    let name = whole
        .file_name()
        .with_context(|| format!("{} has no name", folder.display()))?;
    Ok(name.to_string_lossy().into_owned())
}

/// The recipe with its length, its warmup and the intervals of logs, saves and evaluations set to 0.
fn without_length(mut recipe: Recipe) -> Recipe {
    recipe.training.steps = 0;
    recipe.training.warmup = 0;
    recipe.training.log_every = 0;
    recipe.training.save_every = 0;
    recipe.evaluation.every = 0;
    recipe
}

/// The common prefix of the names of a line's runs, without trailing digits. The first name if that is empty.
fn common_name(line: &Line) -> String {
    let mut names = line.points.iter().map(|point| point.run.as_str());
    let first = names.next().unwrap_or(&line.name);
    let common = names.fold(first, |common, name| {
        let same = common.chars().zip(name.chars()).take_while(|(a, b)| a == b);
        &common[..same.map(|(a, _)| a.len_utf8()).sum()]
    });
    if common == first {
        return first.to_string();
    }
    let stem = common.trim_end_matches(|c: char| c.is_ascii_digit() || "-_.".contains(c));
    if stem.is_empty() { first } else { stem }.to_string()
}

fn drawn(line: &Line) -> report::curves::Curve {
    let percent = |point: &Point| (point.examples as f64, 100.0 * point.accuracy.share());
    report::curves::Curve {
        name: line.name.clone(),
        points: line.points.iter().map(percent).collect(),
        dashed: false,
    }
}
