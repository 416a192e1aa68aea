//! `laformer transfer`: runs trained on some spectra, tested on all of them.

use super::data_options::progress_bar;
use super::options::{Comparison, ComparisonOptions, DeviceOption, SearchOptions, check_count};
use super::{Failure, UsageError};
use crate::evaluation::{Accuracy, Coverage, Outside, Search, evaluate};
use crate::matrix::{Spectrum, Split};
use crate::recipe::Recipe;
use crate::report::heatmap::{Heatmap, draw_heatmap};
use crate::report::{PaperTransfer, Table, percent};
use crate::training::Trained;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Test runs of a symmetric problem on all spectra: a table of training by test
///
/// Also shows how much of each test lies outside of the training distribution. This is the share of matrices with an
/// eigenvalue outside of the middle 99.9 % of all training eigenvalues. A second share compares eigenvalues by rank,
/// the largest with the largest and so on. A high accuracy is generalization if much is outside, and interpolation if
/// nothing is. The picture is a heat map.
#[derive(Debug, Args)]
pub struct Transfer {
    /// Run folders or .safetensors files, of one problem and size
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
    #[command(flatten)]
    show: ComparisonOptions,
    #[command(flatten)]
    search: SearchOptions,
    #[command(flatten)]
    device: DeviceOption,
}

/// A run and its results on each spectrum.
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

/// All rows at a tolerance.
struct Transfers {
    /// Problem and size.
    what: String,
    tolerance: f64,
    /// Examples of each spectrum.
    count: usize,
    rows: Vec<Row>,
    /// The paper's results for the same problem and size.
    paper: Option<PaperTransfer>,
}

impl Transfer {
    pub fn run(self) -> Result<(), Failure> {
        let device = self.device.device().usage()?;
        self.check().usage()?;
        let names = self.names();
        let mut first: Option<Recipe> = None;
        let mut rows = Vec::new();
        // Loads one model at a time, to save memory.
        for (path, name) in self.checkpoints.iter().zip(names) {
            let mut trained = Trained::load(path, device)?;
            comparable(first.as_ref(), &trained.recipe)
                .with_context(|| path.display().to_string())
                .usage()?;
            let search = self.search.search(&mut trained).usage()?;
            let cells = self.cells(&trained, &name, &search)?;
            first.get_or_insert_with(|| trained.recipe.clone());
            let spectrum = trained.recipe.data.spectrum.to_string();
            rows.push(Row { name, spectrum, cells });
        }
        name_by_spectrum(&mut rows);
        let (what, paper) = match &first {
            Some(recipe) => (
                format!("{} {}", recipe.problems, recipe.dimensions.label()),
                PaperTransfer::of(recipe, self.tolerance)?,
            ),
            None => (String::new(), None),
        };
        let transfers = Transfers {
            what,
            tolerance: self.tolerance,
            count: self.count,
            rows,
            paper,
        };
        Ok(self.show.show(&transfers)?)
    }

    fn check(&self) -> Result<()> {
        check_count(self.count)?;
        self.show.check()?;
        ensure!(
            self.tolerance > 0.0 && self.tolerance.is_finite(),
            "--tolerance {}: expected a positive number such as 0.05",
            self.tolerance
        );
        Ok(())
    }

    /// The names of the checkpoints: the last parts of their paths, or the whole paths if the last parts are not unique.
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

    fn cells(&self, trained: &Trained, name: &str, search: &Search) -> Result<Vec<Cell>> {
        let coverage = Coverage::of(&trained.recipe.stream(Split::Train)?)?;
        let bar = progress_bar((Spectrum::ALL.len() * self.count) as u64, name);
        let cells = Spectrum::ALL.iter().map(|spectrum| {
            let mut test = trained.recipe.clone();
            test.data.spectrum = (*spectrum).into();
            test.data.seed = self.seed.unwrap_or(test.data.seed);
            let stream = test.stream(Split::Test)?;
            let evaluation = evaluate(
                &trained.solver,
                &stream,
                0..self.count as u64,
                &[self.tolerance],
                search,
                |more| {
                    bar.inc(more as u64);
                    Ok(())
                },
            )?;
            Ok(Cell {
                accuracy: evaluation.last()[0],
                ceiling: evaluation.ceilings()[0],
                outside: coverage.of_evaluation(&evaluation)?,
            })
        });
        let cells = cells.collect();
        bar.finish_and_clear();
        cells
    }
}

impl Transfers {
    fn title(&self) -> String {
        format!("{}, % within {} %", self.what, percent(self.tolerance))
    }

    fn pairs(&self) -> impl Iterator<Item = (&Row, Spectrum, &Cell)> {
        self.rows.iter().flat_map(|row| {
            Spectrum::ALL
                .into_iter()
                .zip(&row.cells)
                .map(move |(spectrum, cell)| (row, spectrum, cell))
        })
    }

    /// Rows of runs and columns of spectra, in percent.
    fn shares(&self, share: impl Fn(&Cell) -> f64) -> Table {
        let mut table = by_spectrum();
        for row in &self.rows {
            let mut cells = vec![row.name.clone()];
            cells.extend(row.cells.iter().map(|cell| format!("{:.1}", 100.0 * share(cell))));
            table.row(cells);
        }
        table
    }

    /// The paper's row for the training spectrum of a run.
    fn paper_row(&self, row: &Row) -> Option<&[f64]> {
        self.paper.as_ref()?.row(&row.spectrum)
    }

    fn paper_share(&self, row: &Row, test: Spectrum) -> Option<f64> {
        let place = Spectrum::ALL.iter().position(|&spectrum| spectrum == test)?;
        self.paper_row(row).map(|shares| shares[place] / 100.0)
    }

    /// The paper's rows for the runs' training spectra, with a title; `None` if it has none of them.
    fn paper_table(&self) -> Option<(String, Table)> {
        let mut spectra: Vec<(&str, &[f64])> = Vec::new();
        for row in &self.rows {
            if let Some(shares) = self.paper_row(row)
                && spectra.iter().all(|(spectrum, _)| *spectrum != row.spectrum)
            {
                spectra.push((&row.spectrum, shares));
            }
        }
        let mut table = by_spectrum();
        for (spectrum, shares) in &spectra {
            let shares = shares.iter().map(f64::to_string);
            table.row(std::iter::once((*spectrum).to_string()).chain(shares).collect());
        }
        let title = format!(
            "Charton (2021), the same (recalled; confidence {})",
            PaperTransfer::CONFIDENCE
        );
        (!spectra.is_empty()).then_some((title, table))
    }
}

/// An empty table with one column per spectrum.
fn by_spectrum() -> Table {
    Table::new(std::iter::once("trained on").chain(Spectrum::ALL.map(Spectrum::name)))
}

impl Comparison for Transfers {
    fn table(&self) -> Table {
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
            "paper",
        ]);
        for (row, spectrum, cell) in self.pairs() {
            let paper = self.paper_share(row, spectrum);
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
            cells.push(paper.map_or(String::new(), |share| share.to_string()));
            table.row(cells);
        }
        table
    }

    fn draw(&self, path: &Path) -> Result<()> {
        let share = |cell: &Cell| cell.accuracy.share();
        let shares = self.rows.iter().map(|row| row.cells.iter().map(share).collect());
        let map = Heatmap {
            title: &self.title(),
            axes: ("trained on", "tested on"),
            rows: self.rows.iter().map(|row| row.name.clone()).collect(),
            columns: Spectrum::ALL.map(|spectrum| spectrum.to_string()).to_vec(),
            shares: shares.collect(),
        };
        draw_heatmap(path, &map)
    }

    fn json(&self) -> Value {
        let pairs = self.pairs().map(|(row, spectrum, cell)| {
            json!({
                "run": row.name,
                "training": row.spectrum,
                "test": spectrum.name(),
                "count": cell.accuracy.count,
                "accuracy": cell.accuracy.share(),
                "interval": cell.accuracy.interval(),
                "ceiling": cell.ceiling.share(),
                "outside": { "range": cell.outside.range, "ranks": cell.outside.ranks },
                "paper": self.paper_share(row, spectrum),
            })
        });
        json!({ "tolerance": self.tolerance, "pairs": pairs.collect::<Vec<_>>() })
    }

    fn text(&self) -> String {
        let mut tables = vec![
            (
                format!("{}, {} matrices of each spectrum", self.title(), self.count),
                self.shares(|cell| cell.accuracy.share()),
            ),
            (
                "% of them outside of the training's eigenvalues".into(),
                self.shares(|cell| cell.outside.range),
            ),
            (
                "% of them outside by rank".into(),
                self.shares(|cell| cell.outside.ranks),
            ),
        ];
        if let Some(paper) = self.paper_table() {
            tables.insert(1, paper);
        }
        let tables: Vec<String> = tables
            .iter()
            .map(|(title, table)| format!("{title}\n{table}"))
            .collect();
        tables.join("\n\n")
    }
}

/// Names each row by its training spectrum, and also by its run if several rows share the spectrum.
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

/// Fails if a problem of the run is not symmetric, or if its problem, size or coefficients differ from the first run's.
fn comparable(first: Option<&Recipe>, recipe: &Recipe) -> Result<()> {
    ensure!(
        recipe.problems.iter().all(|problem| problem.is_symmetric()),
        "{} has no spectrum: transfer is for runs of symmetric problems",
        recipe.problems
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
            "{key} is {is}, but {was} in the first run: all runs need the same problem, size and coefficients"
        );
    }
    Ok(())
}
