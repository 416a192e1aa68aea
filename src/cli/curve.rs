//! `laformer curve`: accuracy against examples, of several runs.

use super::{Failure, UsageError};
use crate::evaluation::Accuracy;
use crate::file;
use crate::report::comparison::draw_comparison;
use crate::report::{self, EvaluationRow, Table};
use crate::training::{Recipe, Run};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Compare runs by how many examples they took: accuracy on validation examples against the examples of the run
///
/// A run that began with the weights of another (train --from) counts its own examples alone.
#[derive(Debug, Args)]
pub struct Curve {
    /// Run folders
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Relative error below which an answer counts as right; one of the runs' evaluation.tolerances
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
    tolerance: f64,
    /// One point for each run, its last evaluation; runs that differ in nothing but their length are one line
    #[arg(long)]
    ends: bool,
    /// Write the points to a CSV file
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Draw the lines, with examples on a logarithmic axis
    #[arg(long, value_name = "FILE.svg")]
    picture: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An accuracy of a run.
struct Point {
    run: String,
    examples: u64,
    accuracy: Accuracy,
}

struct Line {
    name: String,
    /// What the runs of a line share.
    recipe: Recipe,
    points: Vec<Point>,
}

impl Curve {
    pub fn run(self) -> Result<(), Failure> {
        let lines = self.lines().usage()?;
        let mut table = Table::new(&["line", "run", "examples", "accuracy", "low", "high"]);
        let mut shown = Table::new(&["line", "run", "examples", "right", "95 % interval"]);
        for line in &lines {
            for Point {
                run,
                examples,
                accuracy,
            } in &line.points
            {
                let (low, high) = accuracy.interval();
                let start = || vec![line.name.clone(), run.clone(), examples.to_string()];
                let share = accuracy.share();
                let exact = [share, low, high].map(|share| share.to_string());
                table.row([start(), exact.to_vec()].concat());
                let [share, low, high] = [share, low, high].map(|share| format!("{:.2}", 100.0 * share));
                shown.row([start(), vec![format!("{share} %"), format!("{low} to {high}")]].concat());
            }
        }
        let title = format!("validation accuracy within {} %", report::percent(self.tolerance));
        if let Some(path) = &self.csv {
            file::replace(path, table.csv()?.as_bytes())?;
        }
        if let Some(path) = &self.picture {
            let curves: Vec<_> = lines.iter().map(drawn).collect();
            draw_comparison(path, &title, &curves)?;
        }
        if self.json {
            println!("{:#}", self.json_of(&lines));
        } else {
            println!("{title}\n{shown}");
        }
        Ok(())
    }

    fn json_of(&self, lines: &[Line]) -> serde_json::Value {
        let point = |point: &Point| {
            json!({
                "run": point.run,
                "examples": point.examples,
                "accuracy": point.accuracy.share(),
                "interval": point.accuracy.interval(),
            })
        };
        let lines = lines.iter().map(|line| {
            let points: Vec<_> = line.points.iter().map(point).collect();
            json!({ "line": line.name, "points": points })
        });
        json!({ "tolerance": self.tolerance, "lines": lines.collect::<Vec<_>>() })
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
            "{folder} was not evaluated yet: go on with train --resume"
        );
        let is_ours = |text: &String| text.parse::<f64>().is_ok_and(|tolerance| tolerance == self.tolerance);
        let Some(column) = tolerances.iter().position(is_ours) else {
            bail!(
                "--tolerance {}: {folder} was evaluated within {}",
                self.tolerance,
                tolerances.join(", ")
            )
        };
        let count = recipe.evaluation.count;
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

/// The recipe with all that says how long it trains, and how often it tells of itself, left open.
fn without_length(mut recipe: Recipe) -> Recipe {
    recipe.training.steps = 0;
    recipe.training.warmup = 0;
    recipe.training.log_every = 0;
    recipe.training.save_every = 0;
    recipe.evaluation.every = 0;
    recipe
}

/// What the names of a line's runs begin with, without the numbers at its end; the first name where that is nothing.
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
