//! Transforms examples to the form that the model learns, by the same TorchScript functions that its module contains.

use super::{form, methods, said, stacked, tables, unstacked};
use crate::dataset::{Example, Format};
use crate::libtorch::Module;
use crate::matrix::{Matrix, Shape};
use anyhow::Result;
use tch::{Device, Tensor};

/// The compiled functions of `preparation.py` for one problem.
#[derive(Debug)]
pub struct Preparation {
    module: Module,
    format: Format,
}

impl Preparation {
    /// `None` if the model reads operands unchanged.
    pub fn new(format: &Format) -> Result<Option<Self>> {
        if !format.normalizes() && !format.is_condensed() {
            return Ok(None);
        }
        let mut module = Module::new()?;
        tables::normalization(std::slice::from_ref(format)).set(&mut module)?;
        let files = [script!("normalization"), form(format), script!("preparation")];
        module.define(&files.map(|(_, text)| methods(text)).join("\n\n"))?;
        Ok(Some(Self {
            module,
            format: format.clone(),
        }))
    }

    /// Writes the transformed operands and solutions of `examples` to `prepared`, whose memory is reused. All examples have one
    /// size.
    pub fn prepare(&self, examples: &[Example], prepared: &mut Vec<Example>) -> Result<()> {
        let Some(size) = examples.first().and_then(Example::size) else {
            prepared.clear();
            return Ok(());
        };
        let solutions: Vec<_> = examples.iter().map(|example| example.solution.as_slice()).collect();
        let results = self.call("prepared", size, examples, &solutions)?;
        if prepared.first().and_then(Example::size) != Some(size) {
            prepared.clear();
        }
        prepared.resize_with(examples.len(), || Example::zeros(self.format.problem, size));
        for (place, tensor) in results.iter().enumerate() {
            let numbers: Vec<f64> = Vec::try_from(tensor.contiguous().flatten(0, -1))?;
            let count = numbers.len() / examples.len();
            for (example, numbers) in prepared.iter_mut().zip(numbers.chunks(count)) {
                let Example { operands, solution, .. } = example;
                if let Some(matrix) = operands.iter_mut().chain(solution).nth(place) {
                    let cols = matrix.ncols();
                    for (row, numbers) in numbers.chunks(cols).enumerate() {
                        (0..cols).for_each(|col| matrix[(row, col)] = numbers[col]);
                    }
                }
            }
        }
        Ok(())
    }

    /// Transforms the model's answers back to solutions of the given examples, which all have one size.
    pub fn restored(&self, examples: &[Example], answers: &[&[Matrix]]) -> Result<Vec<Vec<Matrix>>> {
        let Some(size) = examples.first().and_then(Example::size) else {
            return Ok(Vec::new());
        };
        let shapes = self.format.problem.solution_shapes(size);
        unstacked(&self.call("restored", size, examples, answers)?, &shapes)
    }

    /// Calls a method with the operands of `examples` and with `solutions`.
    fn call(&self, method: &str, size: Shape, examples: &[Example], solutions: &[&[Matrix]]) -> Result<Vec<Tensor>> {
        let problem = self.format.problem;
        let operands = problem.operand_shapes(size);
        let of_operands = operands.iter().enumerate().map(|(place, &shape)| {
            let matrices = examples.iter().map(|example| &example.operands[place]);
            stacked(matrices, shape, Device::Cpu)
        });
        let solution = problem.solution_shapes(size);
        let of_solution = solution.iter().enumerate().map(|(place, &shape)| {
            let matrices = solutions.iter().map(|solution| &solution[place]);
            stacked(matrices, shape, Device::Cpu)
        });
        let tensors: Vec<Tensor> = of_operands.chain(of_solution).collect();
        let arguments = [operands.len() as i64, 0];
        self.module.call(method, &tensors, &arguments).map_err(said)
    }
}
