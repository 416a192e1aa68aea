//! `laformer solve`: a model's answer, compared with nalgebra's.

use super::options::{CheckpointOption, DeviceOption, Operands, ReadoutOption, SearchOptions, read_operands};
use super::output::say;
use super::{Failure, UsageError};
use crate::dataset::{Example, Format};
use crate::evaluation::Search;
use crate::inference::{Checker, TRUST};
use crate::matrix::{Matrix, text};
use crate::problem::root_mean_square;
use crate::report::{self, error_percent};
use crate::training::Trained;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use std::fmt;

/// Solve one problem with a model, and check the answer
#[derive(Debug, Args)]
pub struct Solve {
    #[command(flatten)]
    checkpoint: CheckpointOption,
    /// One matrix as JSON for each operand: [[2,1],[1,3]]
    #[arg(required = true)]
    operands: Vec<String>,
    /// The problem to solve; needed if the model answers several
    #[arg(long)]
    problem: Option<String>,
    #[command(flatten)]
    search: SearchOptions,
    #[command(flatten)]
    readout: ReadoutOption,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

impl Solve {
    pub fn run(self) -> Result<(), Failure> {
        let device = self.device.device().usage()?;
        let mut trained = self.checkpoint.load(device)?;
        self.readout.apply(&mut trained).usage()?;
        let format = trained.solver.format().named(self.problem.as_deref());
        let format = format.context("--problem").usage()?;
        let operands = read_operands(&self.operands, &trained, &format).usage()?;
        let search = self.search.search(&mut trained).usage()?;
        let answer = trained.answer(&format, operands, &search)?;
        if self.json {
            say!("{:#}", answer.json())?;
        } else {
            say!("{answer}")?;
        }
        Ok(())
    }
}

fn rows(matrix: &Matrix) -> Vec<Vec<f64>> {
    matrix.row_iter().map(|row| row.iter().copied().collect()).collect()
}

impl Trained {
    /// The model's answer, and nalgebra's solution of the operands as the model reads them.
    fn answer(&self, format: &Format, read: Operands, search: &Search) -> Result<Solved> {
        let operands = read.seen.as_slice();
        let case = format.case_of(operands)?;
        let checker = Checker::new(format.problem)?;
        checker.require_solvable(&read.given)?;
        let proposals = self.solver.answers(case, &[operands], search.beam)?;
        let answers = search.choose(&checker, &[&read.given], proposals)?;
        let answer = answers.into_iter().next().context("the model gave no answer")?;
        let (prediction, residual) = answer.last().context("the model gave no answer")?;
        let mut solution = Example::zeros(format.problem, case.size).solution;
        let solved = format.problem.solve(operands, &mut solution).is_ok();
        let error = solved.then(|| format.problem.error(operands, &solution, prediction));
        Ok(Solved {
            prediction: prediction.to_vec(),
            solution: solved.then_some(solution),
            error,
            residual,
            proposals: answer.proposals,
            own: answer.own.as_ref().map(|own| own.solution.clone()),
            own_residual: answer.residual,
            log_probability: answer.own.map_or(f64::NEG_INFINITY, |own| own.log_probability),
            is_checked: search.verify || search.repair,
            tolerances: self.recipe.evaluation.tolerances.clone(),
            scale: root_mean_square(operands) / self.recipe.data.deviation(),
            is_normalized: self.solver.format_of(case).normalizes(),
            rounded: (read.seen != read.given).then_some(read.seen),
        })
    }
}

/// Matrices with six significant digits, to be read beside each other; `--json` prints all digits.
fn shown(matrices: &[Matrix]) -> String {
    // A number that is printed with digits can be parsed.
    let rounded = |x: f64| format!("{x:.5e}").parse().unwrap_or(x);
    text::print_list(&matrices.iter().map(|matrix| matrix.map(rounded)).collect::<Vec<_>>())
}

/// `right within 0.5 %`, with the smallest tolerance that is kept, or `wrong: not within 5 %`, with the first.
fn verdict(error: f64, tolerances: &[f64]) -> String {
    let kept = tolerances.iter().copied().filter(|tolerance| error < *tolerance);
    if error < tolerances[0] {
        format!("right within {} %", report::percent(kept.fold(f64::INFINITY, f64::min)))
    } else {
        format!("wrong: not within {} %", report::percent(tolerances[0]))
    }
}

struct Solved {
    /// The operands as the model reads them, if rounding changed them.
    rounded: Option<Vec<Matrix>>,
    /// Root mean square of the coefficients, relative to the training distribution's; NaN for zeros.
    scale: f64,
    is_normalized: bool,
    prediction: Vec<Matrix>,
    /// The exact solution of the operands as the model reads them, if one exists.
    solution: Option<Vec<Matrix>>,
    error: Option<f64>,
    /// The relative residual of the prediction, which needs no exact solution.
    residual: f64,
    proposals: usize,
    /// The model's first answer and its residual.
    own: Option<Vec<Matrix>>,
    own_residual: f64,
    log_probability: f64,
    /// Whether the answer with the smallest residual was chosen (`--verify`).
    is_checked: bool,
    /// The first decides whether the answer is right.
    tolerances: Vec<f64>,
}

impl Solved {
    /// Whether the operands' scale is rare in training. Uniform coefficients are at most √3 times their standard deviation; few
    /// uniform matrices have a root mean square below half of their standard deviation.
    fn is_of_another_scale(&self) -> bool {
        !self.is_normalized && (self.scale < 0.5 || self.scale > 3f64.sqrt())
    }

    fn is_right(&self) -> bool {
        self.error.is_some_and(|error| error < self.tolerances[0])
    }

    /// Whether the answer may differ from the model's first.
    fn is_searched(&self) -> bool {
        self.is_checked || self.proposals > 1
    }

    fn is_trusted(&self) -> bool {
        self.residual < TRUST
    }

    fn json(&self) -> Value {
        let matrices = |matrices: &[Matrix]| matrices.iter().map(rows).collect::<Vec<_>>();
        let mut json = json!({
            "prediction": matrices(&self.prediction),
            "solution": self.solution.as_deref().map(matrices),
            "error": self.error,
            "probability": self.log_probability.exp(),
            "tolerance": self.tolerances[0],
            "right": self.is_right(),
            "scale": self.scale,
            "residual": self.residual,
            "trusted": self.is_trusted(),
        });
        if let Some(rounded) = &self.rounded {
            json["operands"] = json!(matrices(rounded));
        }
        if self.is_searched() {
            json["proposals"] = json!(self.proposals);
            json["first"] = json!({
                "prediction": self.own.as_deref().map(matrices),
                "residual": self.own_residual,
            });
        }
        json
    }
}

impl fmt::Display for Solved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rounded) = &self.rounded {
            writeln!(f, "rounded to  {}", text::print_list(rounded))?;
        }
        if self.is_of_another_scale() {
            let scale = self.scale;
            writeln!(
                f,
                "scale       {scale:.2} times that of the training, which this model does not adjust"
            )?;
        }
        if let Some(own) = self
            .own
            .as_ref()
            .filter(|own| self.is_searched() && **own != self.prediction)
        {
            let (own, residual) = (shown(own), error_percent(self.own_residual));
            writeln!(f, "first       {own}, residual {residual}")?;
        }
        writeln!(f, "prediction  {}", shown(&self.prediction))?;
        let trust = if self.is_trusted() { "trusted" } else { "do not trust" };
        let many = if self.is_checked && self.proposals > 1 {
            format!(", the best of {} proposals", self.proposals)
        } else {
            String::new()
        };
        writeln!(f, "residual    {}{many}: {trust}", error_percent(self.residual))?;
        match &self.solution {
            Some(solution) => writeln!(f, "nalgebra    {}", shown(solution))?,
            None => writeln!(
                f,
                "nalgebra    no solution: the matrix is singular to working precision"
            )?,
        }
        match self.error {
            Some(error) => write!(
                f,
                "error       {}: {}",
                error_percent(error),
                verdict(error, &self.tolerances)
            ),
            None => write!(f, "error       unknown: there is nothing to compare with"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_names_the_smallest_tolerance_that_is_kept() {
        let told = |error| verdict(error, &[0.05, 0.02, 0.01, 0.005]);
        assert_eq!(told(0.0017), "right within 0.5 %");
        assert_eq!(told(0.005), "right within 1 %");
        assert_eq!(told(0.049), "right within 5 %");
        assert_eq!(told(0.05), "wrong: not within 5 %");
        assert_eq!(told(f64::NAN), "wrong: not within 5 %");
    }

    #[test]
    fn six_digits_are_shown() {
        let matrix = Matrix::from_row_slice(1, 3, &[9.234884519158333, -0.000123456789, 2.0]);
        assert_eq!(shown(&[matrix]), "[[[9.23488,-0.000123457,2]]]");
    }
}
