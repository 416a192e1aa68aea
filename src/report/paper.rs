//! The results of Charton (2021), for comparison with ours.

use super::percent;
use crate::matrix::{Coefficients, Distribution, Spectrum};
use crate::recipe::Recipe;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fmt;

/// Problem, size, the paper's best model, its accuracies in %, and our confidence in them.
const FIGURES: &str = include_str!("../../recipes/paper/figures.csv");
/// The distribution in the paper's tables: uniform coefficients within ±10.
const DISTRIBUTION: &str = "uniform";

/// The paper's transfer table: percentage of correct eigenvalues of 5x5 matrices within 5 %, by spectrum of training
/// and test.
const TRANSFER: &str = include_str!("../../recipes/paper/transfer.csv");

/// The paper's accuracies of models trained on one spectrum and tested on all.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperTransfer {
    rows: HashMap<String, Vec<f64>>,
}

impl PaperTransfer {
    /// Our confidence in the table, which is recalled and not read.
    pub const CONFIDENCE: &str = "high";

    /// The paper's table for runs like this one, tested at a tolerance; `None` if the paper has none.
    pub fn of(recipe: &Recipe, tolerance: f64) -> Result<Option<Self>> {
        let size = recipe.dimensions.label();
        let data = &recipe.data;
        let is_its = recipe.problems.names() == ["eigenvalues"]
            && size == "5x5"
            && tolerance == 0.05
            && data.coefficients == Coefficients::Uniform
            && data.magnitude == Distribution::DEFAULT_MAGNITUDE
            && data.noise.is_none();
        if !is_its {
            return Ok(None);
        }
        let mut reader = csv::Reader::from_reader(TRANSFER.as_bytes());
        let rows = reader.deserialize::<(String, [f64; Spectrum::ALL.len()])>();
        let rows = rows.map(|row| row.map(|(spectrum, shares)| (spectrum, shares.to_vec())));
        let rows: Result<HashMap<_, _>, csv::Error> = rows.collect();
        Ok(Some(Self {
            rows: rows.context("the paper's table of spectra")?,
        }))
    }

    /// Percentages in the order of [`Spectrum::ALL`]; `None` for a mixture.
    pub fn row(&self, trained_on: &str) -> Option<&[f64]> {
        self.rows.get(trained_on).map(Vec::as_slice)
    }
}

/// The paper's results for one problem at one size.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperFigures {
    pub model: String,
    /// Our confidence in the tables, which are recalled and not read.
    pub confidence: String,
    /// Accuracy in %, by tolerance as text, e.g. `0.05`.
    accuracies: HashMap<String, String>,
}

impl PaperFigures {
    /// The results that are comparable to a test of a recipe; `None` if the paper has none.
    pub fn of(test: &Recipe) -> Result<Option<Self>> {
        let distribution = test.distribution(crate::matrix::Split::Test).to_string();
        let size = test.dimensions.label();
        let size = size
            .split_once('x')
            .filter(|(rows, cols)| rows == cols)
            .map_or(size.as_str(), |(rows, _)| rows);
        if distribution != DISTRIBUTION || !test.data.noise.is_none() {
            return Ok(None);
        }
        let mut reader = csv::Reader::from_reader(FIGURES.as_bytes());
        for row in reader.deserialize::<HashMap<String, String>>() {
            let mut row = row.context("the paper's figures")?;
            let mut take = |key: &str| row.remove(key).unwrap_or_default();
            let (problem, of_size) = (take("problem"), take("size"));
            if problem == test.problems.to_string() && of_size == size {
                return Ok(Some(Self {
                    model: take("model"),
                    confidence: take("confidence"),
                    accuracies: row.into_iter().filter(|(_, accuracy)| !accuracy.is_empty()).collect(),
                }));
            }
        }
        Ok(None)
    }

    /// `97.9 %`, or `-` if the paper's accuracy at this tolerance is unknown.
    pub fn at(&self, tolerance: f64) -> String {
        let accuracy = self.accuracies.get(&tolerance.to_string());
        accuracy.map_or("-".into(), |accuracy| format!("{accuracy} %"))
    }

    /// Percentages by tolerance.
    pub fn known(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        let pairs = self.accuracies.iter();
        pairs.filter_map(|(tolerance, accuracy)| Some((tolerance.clone(), accuracy.parse().ok()?)))
    }
}

/// `Charton (2021): FP15, 6/1 layers, 100 / 100 / 99.7 / 91.8 % …`
impl fmt::Display for PaperFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known: Vec<(f64, f64)> = self
            .known()
            .filter_map(|(tolerance, accuracy)| Some((tolerance.parse().ok()?, accuracy)))
            .collect();
        known.sort_by(|a, b| b.0.total_cmp(&a.0));
        let texts = known
            .iter()
            .map(|(tolerance, accuracy)| format!("{accuracy} % within {} %", percent(*tolerance)));
        let texts: Vec<String> = texts.collect();
        write!(
            f,
            "Charton (2021), {}: {} (recalled; confidence {})",
            self.model,
            texts.join(", "),
            self.confidence
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem;

    fn figures(text: &str) -> Option<PaperFigures> {
        PaperFigures::of(&Recipe::parse(text, &[]).unwrap()).unwrap()
    }

    #[test]
    fn figures_apply_to_one_problem_size_and_spectrum() {
        let found = figures("problem = \"inverse\"\ndim = 5").unwrap();
        assert_eq!(
            [0.05, 0.02, 0.01, 0.005, 0.1].map(|x| found.at(x)),
            ["90 %", "81.8 %", "60 %", "24.7 %", "-"]
        );
        assert_eq!(
            found.to_string(),
            "Charton (2021), FP15 to P1000, 12/8 heads: 90 % within 5 %, 81.8 % within 2 %, 60 % within 1 %, 24.7 % within \
             0.5 % (recalled; confidence high)"
        );
        assert!(figures("problem = \"add\"\ndim = \"5-15\"").is_some());
        for other in [
            "problem = \"inverse\"\ndim = 3",
            "problem = \"eigenvalues\"\ndim = 5\n[data]\nspectrum = \"laplace\"",
            "problem = \"eigenvalues\"\ndim = 5\n[data]\nnoise = 0.02",
        ] {
            assert_eq!(figures(other), None, "{other}");
        }
    }

    #[test]
    fn the_transfer_table_applies_to_5x5_eigenvalues_within_5_percent() {
        let of = |text: &str, tolerance| PaperTransfer::of(&Recipe::parse(text, &[]).unwrap(), tolerance).unwrap();
        let five = "problem = \"eigenvalues\"\ndim = 5";
        let table = of(five, 0.05).unwrap();
        for spectrum in Spectrum::ALL {
            let row = table.row(spectrum.name()).unwrap();
            let own = Spectrum::ALL.iter().position(|&other| other == spectrum).unwrap();
            assert_eq!(row[own], 100.0, "{spectrum}: every model knows its own spectrum");
        }
        assert_eq!(
            table.row("semicircle").unwrap(),
            [100.0, 34.0, 36.0, 39.0, 1.0, 5.0, 0.0]
        );
        assert_eq!(table.row("laplace+uniform"), None);
        assert_eq!(of(five, 0.01), None);
        for other in [
            "problem = \"eigenvalues\"\ndim = 3",
            "problem = \"eigenvectors\"\ndim = 5",
            "problem = \"eigenvalues\"\ndim = 5\n[data]\nnoise = 0.02",
        ] {
            assert_eq!(of(other, 0.05), None, "{other}");
        }
    }

    #[test]
    fn every_row_names_a_known_problem_and_size() {
        let mut reader = csv::Reader::from_reader(FIGURES.as_bytes());
        let rows: Vec<HashMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
        for row in &rows {
            assert!(problem::named(&row["problem"]).is_ok(), "{row:?}");
            let text = format!("problem = \"{}\"\ndim = \"{}\"", row["problem"], row["size"]);
            assert!(figures(&text).is_some(), "{row:?}");
        }
        assert!(rows.len() >= 16);
    }
}
