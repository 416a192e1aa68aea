//! Residuals of answers, computed by the same TorchScript functions that every module contains.

use super::{methods, said, stacked, tables};
use crate::libtorch::Module;
use crate::matrix::{Matrix, Shape};
use crate::problem::Problem;
use anyhow::Result;
use tch::{Device, Tensor};

/// The compiled functions of `residual.py` for one problem.
#[derive(Debug)]
pub struct Checker {
    module: Module,
    problem: &'static dyn Problem,
}

/// Entry points for [`Module::call`], which passes one list of tensors: `residuals` gets the operands and answers concatenated.
const CALLED: &str = "
def residuals(self, matrices: List[Tensor], count: int) -> Tensor:
    return self.relative_error(matrices[:count], matrices[count:], 0)

def require_inverse(self, matrix: Tensor) -> List[Tensor]:
    self.check_regular(matrix, 0)
    return [matrix]
";

impl Checker {
    pub fn new(problem: &'static dyn Problem) -> Result<Self> {
        let mut module = Module::new()?;
        tables::checks(&[problem]).set(&mut module)?;
        tables::normalization(&[]).set(&mut module)?;
        let files = [script!("normalization"), script!("residual")];
        module.define(&(files.map(|(_, text)| methods(text)).join("\n\n") + CALLED))?;
        Ok(Self { module, problem })
    }

    /// Fails if the problem has no solution because the first operand is singular.
    pub fn require_solvable(&self, operands: &[Matrix]) -> Result<()> {
        let Some(matrix) = operands.first() else { return Ok(()) };
        let tensor = stacked(std::iter::once(matrix), Shape::of(matrix), Device::Cpu);
        self.module.call("require_inverse", &[tensor], &[]).map_err(said)?;
        Ok(())
    }

    pub fn problem(&self) -> &'static dyn Problem {
        self.problem
    }

    /// The residual of each answer; all operands have one size. An answer of the wrong shapes has an infinite residual.
    pub fn residuals(&self, pairs: &[(&[Matrix], &[Matrix])]) -> Result<Vec<f64>> {
        let Some(size) = pairs.iter().find_map(|(operands, _)| operands.first()).map(Shape::of) else {
            return Ok(Vec::new());
        };
        let (operands, solution) = (self.problem.operand_shapes(size), self.problem.solution_shapes(size));
        let fits = |answer: &[Matrix]| answer.iter().map(Shape::of).eq(solution.iter().copied());
        let fitting: Vec<_> = pairs.iter().filter(|(_, answer)| fits(answer)).collect();
        if fitting.is_empty() {
            return Ok(vec![f64::INFINITY; pairs.len()]);
        }
        let of_operands = operands.iter().enumerate().map(|(place, &shape)| {
            let matrices = fitting.iter().map(|(operands, _)| &operands[place]);
            stacked(matrices, shape, Device::Cpu)
        });
        let of_answers = solution.iter().enumerate().map(|(place, &shape)| {
            let matrices = fitting.iter().map(|(_, answer)| &answer[place]);
            stacked(matrices, shape, Device::Cpu)
        });
        let tensors: Vec<Tensor> = of_operands.chain(of_answers).collect();
        let results = self
            .module
            .call("residuals", &tensors, &[operands.len() as i64])
            .map_err(said)?;
        let mut found = Vec::<f64>::try_from(&results[0])?.into_iter();
        let residual = |(_, answer): &(&[Matrix], &[Matrix])| fits(answer).then(|| found.next()).flatten();
        Ok(pairs
            .iter()
            .map(residual)
            .map(|found| found.unwrap_or(f64::INFINITY))
            .collect())
    }
}
