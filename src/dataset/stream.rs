//! Streams of examples that are generated in memory, each a pure function of its address.

use std::sync::Arc;

use super::{Example, Repetition, Specification, repetition::Indices, take_shapes};
use crate::{
    encoding::{Encoding, OutOfRange},
    matrix::{Address, Matrix, Noise, Shape, Split, fingerprint, mirror, mix},
    problem::Unsolvable,
};

/// The operands that targets are computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// The rounded operands, which the model reads.
    #[default]
    Rounded,
    /// The operands before rounding, as in the paper.
    Exact,
}

/// The examples of a specification, a seed and a split, in the encodings of a model.
///
/// Operands that have no solution, or no encoding, are drawn again for the same index.
#[derive(Clone, Debug)]
pub struct Stream {
    specification: Specification,
    seed: u64,
    split: Split,
    input: Option<Arc<dyn Encoding>>,
    output: Option<Arc<dyn Encoding>>,
    targets: Targets,
    indices: Indices,
    noise: Noise,
    /// Generator keys for example sizes, batch sizes, operands and noise.
    domains: [u64; 4],
}

impl Stream {
    /// The largest number of draws for one index.
    const ATTEMPTS: u64 = 1000;

    /// A stream of exact operands and solutions.
    pub fn new(specification: Specification, seed: u64, split: Split) -> Self {
        let of = specification.fingerprint();
        let domains = ["size", "batch", "operands", "noise"].map(|purpose| mix(of ^ fingerprint(purpose)));
        Self {
            specification,
            seed,
            split,
            input: None,
            output: None,
            targets: Targets::default(),
            indices: Indices::default(),
            noise: Noise::default(),
            domains,
        }
    }

    /// Rounds operands by this encoding.
    #[must_use]
    pub fn with_input(mut self, encoding: Arc<dyn Encoding>) -> Self {
        self.input = Some(encoding);
        self
    }

    /// Draws again if this encoding cannot write the solution. The solution is not rounded.
    #[must_use]
    pub fn with_output(mut self, encoding: Arc<dyn Encoding>) -> Self {
        self.output = Some(encoding);
        self
    }

    #[must_use]
    pub fn with_targets(mut self, targets: Targets) -> Self {
        self.targets = targets;
        self
    }

    /// Repeats examples in training batches.
    #[must_use]
    pub fn with_repetition(mut self, repetition: Repetition) -> Self {
        self.indices = Indices::new(repetition);
        self
    }

    /// Adds noise to the operands that the model reads; solutions still belong to the clean operands. The clean
    /// operands of an index do not depend on the noise level, unless the noisy ones are out of the encoding's range.
    #[must_use]
    pub fn with_noise(mut self, noise: Noise) -> Self {
        self.noise = noise;
        self
    }

    pub fn specification(&self) -> &Specification {
        &self.specification
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn repetition(&self) -> Repetition {
        self.indices.repetition
    }

    /// The indices of a place in the training batches and of its successors.
    pub fn indices_from(&self, place: u64) -> impl Iterator<Item = u64> {
        self.indices.from(self.seed, place)
    }

    /// The size of the example at an index.
    pub fn size(&self, index: u64) -> Shape {
        self.specification
            .dimensions()
            .sample(&mut self.address(index).generator(self.domains[0]))
    }

    /// The common size of all examples in the batch of a training step.
    pub fn batch_size_at(&self, step: u64) -> Shape {
        self.specification
            .dimensions()
            .sample(&mut self.address(step).generator(self.domains[1]))
    }

    /// The example at an index, with its own size.
    pub fn example(&self, index: u64) -> Result<Example, Exhausted> {
        let mut examples = [Example::default()];
        self.fill_all([index].into_iter(), self.size(index), &mut examples)?;
        let [example] = examples;
        Ok(example)
    }

    /// Generates the examples at the given indices, all with the given size, and reuses the memory of `examples`.
    pub fn fill_all(
        &self,
        indices: impl Iterator<Item = u64>,
        size: Shape,
        examples: &mut [Example],
    ) -> Result<(), Exhausted> {
        let problem = self.specification.problem();
        let (operands, solution) = (problem.operand_shapes(size), problem.solution_shapes(size));
        for (index, example) in indices.zip(examples) {
            if !has_shapes(&example.operands, &operands) || !has_shapes(&example.solution, &solution) {
                *example = Example::zeros(problem, size);
            }
            if self.noise.is_none() {
                example.clean.clear();
            } else {
                take_shapes(&mut example.clean, &example.operands);
            }
            self.draw_until_usable(index, example)?;
        }
        Ok(())
    }

    fn draw_until_usable(&self, index: u64, example: &mut Example) -> Result<(), Exhausted> {
        let mut rejection = None;
        for attempt in 0..Self::ATTEMPTS {
            match self.draw(index, attempt, example) {
                Ok(()) => return Ok(()),
                Err(reason) => rejection = Some(reason),
            }
        }
        Err(Exhausted {
            specification: self.specification.to_string(),
            split: self.split,
            index,
            attempts: Self::ATTEMPTS,
            reason: rejection.map(|reason| reason.to_string()).unwrap_or_default(),
        })
    }

    fn draw(&self, index: u64, attempt: u64, example: &mut Example) -> Result<(), Rejection> {
        let problem = self.specification.problem();
        let mut generator = self.address(index).generator(self.domains[2].wrapping_add(attempt));
        problem.sample(self.specification.distribution(), &mut generator, &mut example.operands);
        if self.targets == Targets::Exact {
            problem.solve(&example.operands, &mut example.solution)?;
        }
        let noisy = !self.noise.is_none();
        if noisy {
            self.add_noise(index, attempt, example);
        }
        let Example {
            operands,
            solution,
            clean,
        } = example;
        let truth = if noisy { clean } else { &mut *operands };
        self.round(truth, problem.is_symmetric())?;
        if self.targets == Targets::Rounded {
            problem.solve(truth, solution)?;
        }
        match &self.output {
            Some(encoding) => solution
                .iter()
                .try_for_each(|matrix| encoding.check(matrix.as_slice()))?,
            None if solution.iter().flatten().all(|x| x.is_finite()) => {}
            None => return Err(Rejection::Overflow),
        }
        if noisy {
            self.round(operands, false)?;
        }
        Ok(())
    }

    /// Keeps the clean operands as well.
    fn add_noise(&self, index: u64, attempt: u64, example: &mut Example) {
        let distribution = self.specification.distribution();
        let deviation = distribution.coefficients.deviation(distribution.magnitude);
        let mut generator = self.address(index).generator(self.domains[3].wrapping_add(attempt));
        for (operand, clean) in example.operands.iter_mut().zip(&mut example.clean) {
            clean.copy_from(operand);
            self.noise.add(deviation, &mut generator, operand.as_mut_slice());
        }
    }

    fn round(&self, operands: &mut [Matrix], are_symmetric: bool) -> Result<(), Rejection> {
        let Some(encoding) = &self.input else { return Ok(()) };
        for operand in operands {
            if are_symmetric {
                let order = operand.nrows();
                for (j, column) in operand.as_mut_slice().chunks_exact_mut(order).enumerate() {
                    encoding.round_all(&mut column[j..])?;
                }
                mirror(operand);
            } else {
                encoding.round_all(operand.as_mut_slice())?;
            }
        }
        Ok(())
    }

    fn address(&self, index: u64) -> Address {
        Address {
            seed: self.seed,
            split: self.split,
            index,
        }
    }
}

fn has_shapes(matrices: &[Matrix], shapes: &[Shape]) -> bool {
    matrices.len() == shapes.len()
        && matrices
            .iter()
            .zip(shapes)
            .all(|(matrix, shape)| Shape::of(matrix) == *shape)
}

/// Why operands are drawn again.
#[derive(Debug, thiserror::Error)]
enum Rejection {
    #[error(transparent)]
    Unsolvable(#[from] Unsolvable),
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    #[error("the solution has coefficients beyond 1.8e308")]
    Overflow,
}

/// All draws for an index were rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "example {index} of {specification} ({split}): none of {attempts} draws can be used, the last because {reason}; \
     change the distribution or the encodings"
)]
pub struct Exhausted {
    specification: String,
    split: Split,
    index: u64,
    attempts: u64,
    reason: String,
}

#[cfg(test)]
mod tests;
