//! Condensed forms of inverses for training and evaluation, by the functions that the module of a model has, too.

use super::{methods, said, stacked, unstacked};
use crate::dataset::Example;
use crate::libtorch::Module;
use crate::matrix::{Matrix, Shape};
use anyhow::Result;
use tch::{Device, Tensor};

/// The compiled functions of `condensed.py`.
#[derive(Debug)]
pub struct Condenser(Module);

impl Condenser {
    pub fn new() -> Result<Self> {
        let mut module = Module::new()?;
        module.define(&methods(include_str!("condensed.py")))?;
        Ok(Self(module))
    }

    /// The condensed forms of the operands, with the inverses of these forms; all examples have one size.
    pub fn condensed(&self, examples: &[Example]) -> Result<Vec<Example>> {
        let Some(shape) = examples.first().and_then(Example::size) else {
            return Ok(Vec::new());
        };
        let sides = [
            batch(examples, |example| &example.operands[0]),
            batch(examples, |example| &example.solution[0]),
        ];
        let results = self.0.call("condensed", &sides, &[]).map_err(said)?;
        let (forms, inverses) = results.split_at(1);
        let pairs = unstacked(forms, &[shape])?
            .into_iter()
            .zip(unstacked(inverses, &[shape])?);
        let example = |(operands, solution)| Example {
            operands,
            solution,
            clean: Vec::new(),
        };
        Ok(pairs.map(example).collect())
    }

    /// The inverses of the operands, from the inverses of their condensed forms.
    pub fn restored(&self, examples: &[Example], inverses: &[Matrix]) -> Result<Vec<Matrix>> {
        let Some(shape) = examples.first().and_then(Example::size) else {
            return Ok(Vec::new());
        };
        let inverses = stacked(inverses.iter(), shape, Device::Cpu);
        let results = self
            .0
            .call(
                "restored",
                &[batch(examples, |example| &example.operands[0]), inverses],
                &[],
            )
            .map_err(said)?;
        Ok(unstacked(&results, &[shape])?.into_iter().flatten().collect())
    }
}

fn batch<'a>(examples: &'a [Example], side: fn(&'a Example) -> &'a Matrix) -> Tensor {
    let matrices = examples.iter().map(side);
    let shape = examples
        .first()
        .map_or(Shape::new(0, 0), |example| Shape::of(side(example)));
    stacked(matrices, shape, Device::Cpu)
}
