//! Examples of one size as tensors.

use super::{Case, Example, Format, Target};
use crate::encoding::{MAX_FIELDS, PAD, Vocabulary};
use crate::matrix::{Matrix, Shape};
use crate::problem::Symmetry;
use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// A batch of examples of one size.
#[derive(Debug)]
pub struct Batch {
    /// Place of its problem among those of the model.
    pub task: usize,
    pub size: Shape,
    /// Values `[batch, count]` fp32, after the task where there are several; or tokens `[batch, length]` int64.
    pub source: Tensor,
    /// Classes `[batch, count, fields]` in the order of the encoding, or tokens `[batch, length]`; int64.
    pub target: Tensor,
}

impl Batch {
    pub fn case(&self) -> Case {
        Case {
            task: self.task,
            size: self.size,
        }
    }

    pub fn to_device(&self, device: Device) -> Self {
        Self {
            task: self.task,
            size: self.size,
            source: self.source.to_device(device),
            target: self.target.to_device(device),
        }
    }
}

/// Turns examples into batches; holds the vocabularies and the buffers that are filled again and again.
#[derive(Debug)]
pub struct Batcher {
    format: Format,
    task: Option<usize>,
    source_vocabulary: Option<Vocabulary>,
    target_vocabulary: Vocabulary,
    values: Vec<f32>,
    tokens: Vec<i64>,
    targets: Vec<i64>,
}

impl Batcher {
    pub fn new(format: Format) -> Self {
        Self {
            source_vocabulary: format.source_vocabulary(),
            target_vocabulary: format.target_vocabulary(),
            task: format.task(),
            format,
            values: Vec::new(),
            tokens: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// The batch of examples that all have one size.
    pub fn batch(&mut self, size: Shape, examples: &[Example]) -> Result<Batch> {
        if !self.format.canonical {
            return self.as_they_are(size, examples);
        }
        let canonical = examples.iter().map(|example| example.canonical(self.format.problem));
        self.as_they_are(size, &canonical.collect::<Vec<_>>())
    }

    fn as_they_are(&mut self, size: Shape, examples: &[Example]) -> Result<Batch> {
        let source = self.write(examples.iter().map(|example| example.operands.as_slice()))?;
        let target = self.target(examples)?;
        Ok(Batch {
            task: self.task.unwrap_or(0),
            size,
            source,
            target,
        })
    }

    fn target(&mut self, examples: &[Example]) -> Result<Tensor> {
        let output = self.format.output.as_ref();
        let fields = output.fields().len();
        let mut rows = Rows::default();
        self.targets.clear();
        for example in examples {
            match self.format.target {
                Target::Classes => {
                    for matrix in &example.solution {
                        output.write(matrix, &[0; MAX_FIELDS][..fields], &mut self.targets)?;
                    }
                }
                Target::Tokens => {
                    self.target_vocabulary.write(&example.solution, &mut self.targets)?;
                    rows.end(self.targets.len());
                }
            }
        }
        Ok(match self.format.target {
            Target::Classes => Tensor::from_slice(&self.targets).view([examples.len() as i64, -1, fields as i64]),
            Target::Tokens => rows.tensor(&self.targets),
        })
    }

    /// The source side alone: `[batch, count]` values, after the task where there are several, or `[batch, length]` tokens.
    pub fn source<'a>(&mut self, operands: impl Iterator<Item = &'a [Matrix]>) -> Result<Tensor> {
        if !self.format.canonical {
            return self.write(operands);
        }
        let problem = self.format.problem;
        let canonical = operands.map(|operands| Symmetry::canonical(problem, operands).transform(operands));
        let canonical: Vec<_> = canonical.collect();
        self.write(canonical.iter().map(Vec::as_slice))
    }

    fn write<'a>(&mut self, operands: impl Iterator<Item = &'a [Matrix]>) -> Result<Tensor> {
        let mut rows = Rows::default();
        self.values.clear();
        self.tokens.clear();
        let mut count = 0;
        for operands in operands {
            count += 1;
            match &self.source_vocabulary {
                Some(vocabulary) => {
                    vocabulary.write(operands, &mut self.tokens)?;
                    rows.end(self.tokens.len());
                }
                None => {
                    self.values.extend(self.task.map(|task| task as f32));
                    self.values
                        .extend(operands.iter().flat_map(row_major).map(|x| x as f32));
                }
            }
        }
        Ok(match self.source_vocabulary {
            Some(_) => rows.tensor(&self.tokens),
            None => Tensor::from_slice(&self.values).view([count, -1]),
        })
    }
}

/// The coefficients of a matrix in reading order.
pub fn row_major(matrix: &Matrix) -> impl ExactSizeIterator<Item = f64> + '_ {
    let (columns, rows) = (matrix.as_slice(), matrix.nrows());
    let mut place = 0;
    columns.iter().map(move |_| {
        let value = columns[place];
        place += rows;
        if place >= columns.len() {
            // The first of the next row.
            place -= columns.len() - 1;
        }
        value
    })
}

/// Rows of different lengths in one flat buffer.
#[derive(Debug, Default)]
struct Rows {
    ends: Vec<usize>,
}

impl Rows {
    fn end(&mut self, at: usize) {
        self.ends.push(at);
    }

    /// `[rows, longest]`, padded.
    fn tensor(&self, flat: &[i64]) -> Tensor {
        let starts = || std::iter::once(0).chain(self.ends.iter().copied());
        let longest = starts()
            .zip(&self.ends)
            .map(|(start, end)| end - start)
            .max()
            .unwrap_or(0);
        if longest * self.ends.len() == flat.len() {
            return Tensor::from_slice(flat).view([self.ends.len() as i64, longest as i64]);
        }
        let mut padded = vec![PAD; longest * self.ends.len()];
        for (row, (start, &end)) in padded.chunks_mut(longest).zip(starts().zip(&self.ends)) {
            row[..end - start].copy_from_slice(&flat[start..end]);
        }
        Tensor::from_slice(&padded).view([self.ends.len() as i64, longest as i64])
    }
}

/// Position indices as a tensor `[length, 5]`.
pub fn positions_tensor(positions: &[[i64; 5]], device: Device) -> Tensor {
    Tensor::from_slice(positions.as_flattened())
        .view([positions.len() as i64, 5])
        .to_device(device)
        .to_kind(Kind::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Specification, Stream};
    use crate::encoding;
    use crate::matrix::{Address, Split};
    use crate::problem;

    #[test]
    fn equivalent_examples_are_one_canonical_example_and_its_solution() {
        for &problem in problem::ALL
            .iter()
            .filter(|problem| problem.is_symmetric() || problem.name() == "inverse")
        {
            let specification = Specification::new(problem, "3".parse().unwrap(), Default::default()).unwrap();
            let stream = Stream::new(specification, 5, Split::Test);
            let example = stream.example(0).unwrap();
            let address = Address {
                seed: 7,
                split: Split::Test,
                index: 0,
            };
            let symmetry = Symmetry::draw(problem, &example.operands, &mut address.generator(0));
            let mut moved = Example::zeros(problem, Shape::new(3, 3));
            moved.operands = symmetry.transform(&example.operands);
            problem.solve(&moved.operands, &mut moved.solution).unwrap();
            let batch = |canonical: bool| {
                let format = Format {
                    problem,
                    problems: problem.into(),
                    input: "values".parse().unwrap(),
                    output: encoding::named("P1000").unwrap(),
                    target: Target::Classes,
                    canonical,
                };
                let examples = [example.clone(), moved.clone()];
                let batch = Batcher::new(format).batch(Shape::new(3, 3), &examples).unwrap();
                [batch.source, batch.target].map(|side| side.get(0) == side.get(1))
            };
            assert_eq!(batch(true), [true, true], "{}", problem.name());
            assert!(!batch(false)[0], "{}", problem.name());
        }
    }
}
