//! `laformer transfer`: runs trained on some spectra, tested on all of them.

use super::options::{DeviceOption, progress_bar};
use super::{Failure, UsageError};
use crate::evaluation::{Accuracy, Coverage, Outside, evaluate};
use crate::file;
use crate::matrix::{Spectrum, Split};
use crate::report::heatmap::{Heatmap, draw_heatmap};
use crate::report::{Table, percent};
use crate::training::{Recipe, Trained};
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Test runs of a symmetric problem on all spectra: a table of training by test
///
/// Beside the accuracies stands how much of each test lies outside of the training: the share of matrices with an eigenvalue
/// outside of the middle 99.9 % of all training eigenvalues, and the same by rank, the largest with the largest and so on. A
/// high accuracy where much is outside is generalization; where nothing is, it is interpolation.
#[derive(Debug, Args)]
pub struct Transfer {
    /// Run folders, .pt or .safetensors files, of one problem and size
    #[arg(required = true)]
    checkpoints: Vec<PathBuf>,
    /// Relative error below which an answer counts as right
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
    tolerance: f64,
    /// Number of examples of each spectrum
    #[arg(long, default_value_t = 1_000)]
    count: usize,
    /// Seed of the test examples [default: each recipe's]
    #[arg(long)]
    seed: Option<u64>,
    /// Write one row for each pair to a CSV file
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Draw the accuracies as a heat map
    #[arg(long, value_name = "FILE.svg")]
    picture: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// A run and what it came to on each spectrum.
struct Row {
    name: String,
    spectrum: String,
    cells: Vec<Cell>,
}

struct Cell {
    accuracy: Accuracy,
    ceiling: Accuracy,
    outside: Outside,
}

impl Transfer {
    pub fn run(self) -> Result<(), Failure> {
        let device = self.device.device().usage()?;
        self.check().usage()?;
        let names = self.names();
        let mut first: Option<Recipe> = None;
        let mut rows = Vec::new();
        // One model at a time is in memory.
        for (path, name) in self.checkpoints.iter().zip(names) {
            let trained = Trained::load(path, device)?;
            comparable(first.as_ref(), &trained.recipe)
                .with_context(|| path.display().to_string())
                .usage()?;
            let cells = self.cells(&trained, &name)?;
            first.get_or_insert_with(|| trained.recipe.clone());
            let spectrum = trained.recipe.data.spectrum.clone();
            rows.push(Row { name, spectrum, cells });
        }
        name_by_spectrum(&mut rows);
        let what = match &first {
            Some(recipe) => format!("{} {}", recipe.problem, recipe.dimensions()?.label()),
            None => String::new(),
        };
        let title = format!("{what}, % within {} %", percent(self.tolerance));
        if let Some(path) = &self.csv {
            file::replace(path, self.long_table(&rows).csv()?.as_bytes())?;
        }
        if let Some(path) = &self.picture {
            let share = |cell: &Cell| cell.accuracy.share();
            draw_heatmap(
                path,
                &Heatmap {
                    title: &title,
                    axes: ("trained on", "tested on"),
                    rows: rows.iter().map(|row| row.name.clone()).collect(),
                    columns: Spectrum::ALL
                        .iter()
                        .map(|spectrum| spectrum.name().to_string())
                        .collect(),
                    shares: rows.iter().map(|row| row.cells.iter().map(share).collect()).collect(),
                },
            )?;
        }
        if self.json {
            println!("{:#}", self.json_of(&rows));
        } else {
            println!(
                "{title}, {} matrices of each spectrum\n{}",
                self.count,
                square(&rows, |cell| cell.accuracy.share())
            );
            println!(
                "\n% of them outside of the training's eigenvalues\n{}",
                square(&rows, |cell| cell.outside.range)
            );
            println!(
                "\n% of them outside by rank\n{}",
                square(&rows, |cell| cell.outside.ranks)
            );
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        ensure!(self.count > 0, "--count 0: expected at least one example");
        ensure!(
            self.tolerance > 0.0 && self.tolerance.is_finite(),
            "--tolerance {}: expected a positive number such as 0.05",
            self.tolerance
        );
        Ok(())
    }

    /// The names of the checkpoints: their last parts, or whole paths where these are the same.
    fn names(&self) -> Vec<String> {
        let short = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = |path: &PathBuf| {
            let same = self
                .checkpoints
                .iter()
                .filter(|other| short(other) == short(path))
                .count();
            let short = short(path).filter(|_| same == 1);
            short.unwrap_or_else(|| path.display().to_string())
        };
        self.checkpoints.iter().map(name).collect()
    }

    fn cells(&self, trained: &Trained, name: &str) -> Result<Vec<Cell>> {
        let coverage = Coverage::of(&trained.recipe.stream(Split::Train)?)?;
        let bar = progress_bar((Spectrum::ALL.len() * self.count) as u64, name);
        let cells = Spectrum::ALL.iter().map(|spectrum| {
            let mut test = trained.recipe.clone();
            test.data.spectrum = spectrum.name().into();
            test.data.seed = self.seed.unwrap_or(test.data.seed);
            let stream = test.stream(Split::Test)?;
            let evaluation = evaluate(&trained.model, &stream, self.count, &[self.tolerance], 1, |more| {
                bar.inc(more as u64)
            })?;
            Ok(Cell {
                accuracy: evaluation.accuracies()[0],
                ceiling: evaluation.ceilings()[0],
                outside: coverage.of_evaluation(&evaluation)?,
            })
        });
        let cells = cells.collect();
        bar.finish_and_clear();
        cells
    }

    fn long_table(&self, rows: &[Row]) -> Table {
        let mut table = Table::new(&[
            "run",
            "training",
            "test",
            "tolerance",
            "count",
            "accuracy",
            "low",
            "high",
            "ceiling",
            "outside",
            "outside_by_rank",
        ]);
        for (row, spectrum, cell) in pairs(rows) {
            let (low, high) = cell.accuracy.interval();
            let mut cells = vec![row.name.clone(), row.spectrum.clone(), spectrum.to_string()];
            cells.extend([self.tolerance.to_string(), cell.accuracy.count.to_string()]);
            let shares = [
                cell.accuracy.share(),
                low,
                high,
                cell.ceiling.share(),
                cell.outside.range,
                cell.outside.ranks,
            ];
            cells.extend(shares.map(|share| share.to_string()));
            table.row(cells);
        }
        table
    }

    fn json_of(&self, rows: &[Row]) -> serde_json::Value {
        let pairs = pairs(rows).map(|(row, spectrum, cell)| {
            json!({
                "run": row.name,
                "training": row.spectrum,
                "test": spectrum.name(),
                "count": cell.accuracy.count,
                "accuracy": cell.accuracy.share(),
                "interval": cell.accuracy.interval(),
                "ceiling": cell.ceiling.share(),
                "outside": { "range": cell.outside.range, "ranks": cell.outside.ranks },
            })
        });
        json!({ "tolerance": self.tolerance, "pairs": pairs.collect::<Vec<_>>() })
    }
}

fn pairs(rows: &[Row]) -> impl Iterator<Item = (&Row, Spectrum, &Cell)> {
    rows.iter().flat_map(|row| {
        Spectrum::ALL
            .into_iter()
            .zip(&row.cells)
            .map(move |(spectrum, cell)| (row, spectrum, cell))
    })
}

/// Rows of runs and columns of spectra, in percent.
fn square(rows: &[Row], share: impl Fn(&Cell) -> f64) -> Table {
    let mut headers = vec!["trained on"];
    headers.extend(Spectrum::ALL.map(Spectrum::name));
    let mut table = Table::new(&headers);
    for row in rows {
        let mut cells = vec![row.name.clone()];
        cells.extend(row.cells.iter().map(|cell| format!("{:.1}", 100.0 * share(cell))));
        table.row(cells);
    }
    table
}

/// Names rows by their training, and by the run where several have the same.
fn name_by_spectrum(rows: &mut [Row]) {
    let spectra: Vec<String> = rows.iter().map(|row| row.spectrum.clone()).collect();
    for row in rows {
        let same = spectra.iter().filter(|spectrum| **spectrum == row.spectrum).count();
        row.name = if same == 1 {
            row.spectrum.clone()
        } else {
            format!("{} ({})", row.spectrum, row.name)
        };
    }
}

/// Fails where a run is of no symmetric problem, or of another problem, size or law of coefficients than the first.
fn comparable(first: Option<&Recipe>, recipe: &Recipe) -> Result<()> {
    ensure!(
        recipe.problems()?.iter().all(|problem| problem.is_symmetric()),
        "{} has no spectrum: a table of spectra is for runs of symmetric problems",
        recipe.problem
    );
    let Some(first) = first else { return Ok(()) };
    for (key, was, is) in Recipe::differences(first, recipe)? {
        let is_free = ![
            "problem",
            "dim",
            "rows",
            "cols",
            "data.coefficients",
            "data.magnitude",
            "data.noise",
        ]
        .contains(&key.as_str());
        ensure!(
            is_free,
            "{key} is {is}, but {was} in the first run: a table is of one problem and one size"
        );
    }
    Ok(())
}
