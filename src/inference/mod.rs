//! The one inference engine: a TorchScript module that answers operands, run by training, `eval`, `solve` and notebooks alike.
//!
//! The forward pass is written once, in Rust, and traced (`trace.rs`). Everything between operands and answer is TorchScript source, the
//! `*.py` files of this folder; the tables of `tables.rs` say what tells models apart.

/// Name and text of a file of methods.
macro_rules! script {
    ($name:literal) => {
        ($name, include_str!(concat!($name, ".py")))
    };
}

mod archive;
mod checker;
mod preparation;
mod tables;
mod trace;

pub use archive::Archive;
pub use checker::Checker;
pub use preparation::Preparation;
pub use tables::Tables;

use crate::dataset::{Case, Dimensions, Format, Target};
use crate::encoding::Input;
use crate::file;
use crate::libtorch::{self, Module};
use crate::matrix::{Matrix, Shape, row_major};
use crate::model::Model;
use crate::recipe::Readout;
use anyhow::{Context, Result, anyhow};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Answers with smaller residuals are to be trusted.
pub const TRUST: f64 = 0.05;

/// One proposed answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub solution: Vec<Matrix>,
    /// Natural logarithm of the probability that the model gives to this answer among the legal ones.
    pub log_probability: f64,
}

/// A model that answers operands.
#[derive(Debug)]
pub struct Solver {
    module: Module,
    /// One per problem, in the order of the tasks.
    formats: Vec<Format>,
    device: Device,
}

impl Solver {
    /// Compiles the module of a model, whose parameters stay the model's: what is trained later, it answers with.
    /// `dimensions` are the sizes that the model was made for.
    pub fn new(model: &Model, dimensions: &Dimensions) -> Result<Self> {
        let mut module = Module::new()?;
        for (name, tensor) in model.variables() {
            module
                .register_parameter(&name, &tensor)
                .context("cannot register a parameter")?;
        }
        tables::of(model, dimensions)?
            .set(&mut module)
            .context("cannot register a table")?;
        for method in trace::methods(model) {
            module.trace(&method.name, &method.arguments, &method.samples, &*method.body)?;
        }
        module
            .define(&source(model.format()))
            .context("cannot compile the scripted methods")?;
        Ok(Self {
            module,
            formats: model.formats().to_vec(),
            device: model.device(),
        })
    }

    /// Loads a module that [`Self::save`] wrote for a model of this format. Its own methods answer: code of the file runs.
    pub fn load(archive: &Archive, format: &Format, device: Device) -> Result<Self> {
        let module = Module::load(archive.content(), device)
            .with_context(|| format!("{} is damaged", archive.path().display()))?;
        Ok(Self {
            module,
            formats: format.tasks(),
            device,
        })
    }

    /// Writes the module with extra files inside: whole, or not at all.
    pub fn save(&self, path: &Path, extra: &BTreeMap<String, String>) -> Result<()> {
        let content = self.module.save(extra);
        let content = content.with_context(|| format!("cannot save the TorchScript module {}", path.display()))?;
        file::replace(path, &content)
    }

    /// Answers from now on with another number of what is predicted; a decoder that writes tokens has no choice.
    pub fn set_readout(&mut self, readout: Readout) -> Result<()> {
        Ok(self.module.set_int("readout", tables::readout(readout))?)
    }

    /// Answers operands as they are given, of whatever scale.
    pub fn stop_normalizing(&mut self) -> Result<()> {
        self.formats.iter_mut().for_each(|format| format.deviation = None);
        Ok(self.module.set_ints("normalizes", &vec![0; self.formats.len()])?)
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// The format of every problem, in the order of the tasks.
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// What all problems of the model share; the problem is the first of them.
    pub fn format(&self) -> &Format {
        &self.formats[0]
    }

    /// The format of a case's problem.
    pub fn format_of(&self, case: Case) -> &Format {
        &self.formats[case.task]
    }

    /// Answers for operands of one case, so many as the beam is wide (1 but for autoregressive decoders), the most probable first.
    pub fn answers(&self, case: Case, operands: &[&[Matrix]], beam: usize) -> Result<Vec<Vec<Candidate>>> {
        let format = self.format_of(case);
        let shapes = format.problem.operand_shapes(case.size);
        let tensors: Vec<Tensor> = (0..shapes.len())
            .map(|place| {
                stacked(
                    operands.iter().map(|operands| &operands[place]),
                    shapes[place],
                    self.device,
                )
            })
            .collect();
        let results = self
            .module
            .call("answers", &tensors, &[case.task as i64, beam as i64])
            .map_err(said)?;
        let shapes = format.problem.solution_shapes(case.size);
        let (matrices, scores) = results.split_at(shapes.len());
        let scores = scores.first().context("the module returned no scores")?;
        let scores: Vec<f64> = Vec::try_from(scores.flatten(0, -1).to_kind(Kind::Double))?;
        let candidates = unstacked(matrices, &shapes)?.into_iter().zip(scores);
        let candidate = |(solution, log_probability)| Candidate {
            solution,
            log_probability,
        };
        let candidates: Vec<Candidate> = candidates.map(candidate).collect();
        // A beam wider than the number of legal answers has some that are none.
        let legal = |beam: &[Candidate]| {
            beam.iter()
                .filter(|it| it.log_probability > f64::NEG_INFINITY)
                .cloned()
                .collect()
        };
        Ok(candidates.chunks(beam).map(legal).collect())
    }
}

/// What the module of a model has beside its methods and parameters; the arguments are those of [`Solver::new`].
pub fn tables(model: &Model, dimensions: &Dimensions) -> Result<Tables> {
    tables::of(model, dimensions)
}

/// The scripted methods of a model.
fn source(format: &Format) -> String {
    files(format).map(|(_, text)| methods(text)).join("\n\n") + &trace::dispatch(format)
}

/// Name and text of each file whose methods a model has.
fn files(format: &Format) -> [(&'static str, &'static str); 9] {
    let decoder = match format.target {
        Target::Classes => script!("parallel"),
        Target::Tokens => script!("autoregressive"),
    };
    let source = match format.input {
        Input::Values { .. } => script!("values"),
        Input::Tokens(_) => script!("tokens"),
    };
    [
        script!("module"),
        script!("normalization"),
        script!("residual"),
        script!("source"),
        source,
        script!("sequence"),
        script!("codec"),
        decoder,
        form(format),
    ]
}

/// What stands between the operands and what a model reads of them.
fn form(format: &Format) -> (&'static str, &'static str) {
    if format.is_condensed() {
        script!("condensed")
    } else {
        script!("whole")
    }
}

/// The methods of a file, without what Python needs before them.
fn methods(file: &str) -> String {
    let first = file.find("\ndef ").map_or(0, |place| place + 1);
    file[first..].to_owned()
}

/// Matrices of one shape as float64 `[batch, rows, cols]`.
fn stacked<'a>(matrices: impl Iterator<Item = &'a Matrix>, shape: Shape, device: Device) -> Tensor {
    let numbers: Vec<f64> = matrices.flat_map(row_major).collect();
    Tensor::from_slice(&numbers)
        .view([-1, shape.rows as i64, shape.cols as i64])
        .to_device(device)
}

/// The matrices of each example, from `[batch, rows, cols]` of each shape.
fn unstacked(tensors: &[Tensor], shapes: &[Shape]) -> Result<Vec<Vec<Matrix>>> {
    let batch = tensors.first().map_or(0, |tensor| tensor.size()[0]) as usize;
    let mut examples = vec![Vec::with_capacity(shapes.len()); batch];
    for (tensor, shape) in tensors.iter().zip(shapes) {
        let numbers: Vec<f64> = Vec::try_from(tensor.contiguous().flatten(0, -1))?;
        for (example, numbers) in examples.iter_mut().zip(numbers.chunks(shape.count())) {
            example.push(Matrix::from_row_slice(shape.rows, shape.cols, numbers));
        }
    }
    Ok(examples)
}

/// What a scripted method says is wrong, without the traceback of its source.
fn said(error: libtorch::Error) -> anyhow::Error {
    let text = error.to_string();
    if text.contains("there is no method `answers`") {
        return anyhow!(
            "this module is of laformer 0.1: write it anew by `laformer export CHECKPOINT --output FILE.pt`"
        );
    }
    match text.rsplit_once("ValueError: ") {
        Some((_, message)) => anyhow!("{}", message.trim()),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests;
