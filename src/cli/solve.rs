//! `laformer solve`: a model's answer beside nalgebra's.

use super::options::DeviceOption;
use super::{Failure, UsageError};
use crate::dataset::{Batcher, Example, Format};
use crate::encoding::round_matrices;
use crate::matrix::{Matrix, text};
use crate::problem::Form;
use crate::training::Trained;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Solve one problem with a model, and check the answer
#[derive(Debug, Args)]
pub struct Solve {
    /// A run folder, a .pt or a .safetensors file
    checkpoint: PathBuf,
    /// One matrix as JSON for each operand: [[2,1],[1,3]]
    #[arg(required = true)]
    operands: Vec<String>,
    /// The problem that is asked of a model of several
    #[arg(long)]
    problem: Option<String>,
    /// Candidates that an autoregressive decoder keeps
    #[arg(long, default_value_t = 1)]
    beam: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

impl Solve {
    pub fn run(self) -> Result<(), Failure> {
        let device = self.device.device().usage()?;
        let trained = Trained::load(&self.checkpoint, device)?;
        let format = trained.model.format().named(self.problem.as_deref());
        let format = format.context("--problem").usage()?;
        let operands = self.operands(&trained, &format).usage()?;
        trained.model.check_beam(self.beam).usage()?;
        let answer = trained.answer(&format, &operands, self.beam)?;
        if self.json {
            println!(
                "{:#}",
                json!({
                    "prediction": answer.prediction.iter().map(rows).collect::<Vec<_>>(),
                    "solution": answer.solution.as_ref().map(|matrices| matrices.iter().map(rows).collect::<Vec<_>>()),
                    "error": answer.error,
                    "probability": answer.log_probability.exp(),
                    "tolerance": answer.tolerance,
                    "right": answer.is_right(),
                })
            );
        } else {
            println!("prediction  {}", text::print_list(&answer.prediction));
            match &answer.solution {
                Some(solution) => println!("nalgebra    {}", text::print_list(solution)),
                None => println!("nalgebra    no solution: the matrix is singular to working precision"),
            }
            let verdict = if answer.is_right() { "right" } else { "wrong" };
            match answer.error {
                Some(error) => println!(
                    "error       {}: {verdict} within {} %",
                    percent(error),
                    100.0 * answer.tolerance
                ),
                None => println!("error       unknown: there is nothing to compare with"),
            }
        }
        Ok(())
    }

    /// The operands as the model sees them.
    fn operands(&self, trained: &Trained, format: &Format) -> Result<Vec<Matrix>> {
        let problem = format.problem;
        let forms = problem.operand_forms().iter().chain(std::iter::repeat(&Form::Matrix));
        let operands = self.operands.iter().zip(forms).map(|(operand, form)| {
            let flat = || text::parse(&format!("[{operand}]")).map(|row| row.transpose());
            let matrix = match form {
                // A vector may be written flat: [1,2,3].
                Form::Column => text::parse(operand).or_else(|error| flat().map_err(|_| error)),
                _ => text::parse(operand),
            };
            matrix.with_context(|| format!("`{operand}` is no matrix"))
        });
        let operands: Vec<Matrix> = operands.collect::<Result<_>>()?;
        let case = format.case_of(&operands)?;
        trained.model.check_size(case)?;
        let size = case.size;
        ensure!(
            trained.recipe.dimensions()?.contains(size),
            "this model was trained on {} matrices, not on {size}",
            trained.recipe.dimensions()?.label()
        );
        if problem.is_symmetric() && operands[0] != operands[0].transpose() {
            bail!(
                "{} wants a symmetric matrix: {} differs from its transpose",
                problem.name(),
                self.operands[0]
            );
        }
        round_matrices(format.input.rounding().as_ref(), &operands)
            .context("the matrix is out of the range of this model's encoding")
    }
}

/// `0.236 %`, or `1.9e94` times where a percentage would be unreadable.
fn percent(error: f64) -> String {
    if error < 100.0 {
        format!("{:.3} %", 100.0 * error)
    } else {
        format!("{error:.1e} times the answer")
    }
}

fn rows(matrix: &Matrix) -> Vec<Vec<f64>> {
    matrix.row_iter().map(|row| row.iter().copied().collect()).collect()
}

impl Trained {
    /// The answer for operands as the model sees them.
    fn answer(&self, format: &Format, operands: &[Matrix], beam: usize) -> Result<Answer> {
        let case = format.case_of(operands)?;
        let mut batcher = Batcher::new(format.clone());
        let source = batcher.source(std::iter::once(operands))?;
        let candidates = self.model.generate(&source, case, beam)?;
        let best = candidates
            .into_iter()
            .flatten()
            .next()
            .context("the model gave no answer")?;
        let mut solution = Example::zeros(format.problem, case.size).solution;
        let solved = format.problem.solve(operands, &mut solution).is_ok();
        let error = solved.then(|| format.problem.error(operands, &solution, &best.solution));
        Ok(Answer {
            prediction: best.solution,
            solution: solved.then_some(solution),
            error,
            log_probability: best.log_probability,
            tolerance: self.recipe.evaluation.tolerances[0],
        })
    }
}

struct Answer {
    prediction: Vec<Matrix>,
    /// The exact solution of the matrix as the model sees it; none where there is none.
    solution: Option<Vec<Matrix>>,
    error: Option<f64>,
    log_probability: f64,
    tolerance: f64,
}

impl Answer {
    fn is_right(&self) -> bool {
        self.error.is_some_and(|error| error < self.tolerance)
    }
}
