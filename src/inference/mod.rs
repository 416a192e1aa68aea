//! The inference engine: a TorchScript module that maps operands to answers. Training, `eval`, `solve` and notebooks all run it.
//!
//! The forward pass is written once, in Rust, and traced (`trace.rs`). Everything before and after it is TorchScript source, the
//! `*.py` files of this folder. The tables of `tables.rs` hold the settings that differ between models.

/// Name and text of a TorchScript source file.
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
use std::sync::OnceLock;
use tch::{Device, Kind, Tensor};

/// An answer with a residual below this counts as trustworthy.
pub const TRUST: f64 = 0.05;

/// One value per format, created at the first use.
fn of_each<'a, T>(
    made: &'a OnceLock<Vec<T>>,
    formats: &[Format],
    make: impl Fn(&Format) -> Result<T>,
) -> Result<&'a [T]> {
    match made.get() {
        Some(made) => Ok(made),
        None => {
            let new = formats.iter().map(make).collect::<Result<_>>()?;
            Ok(made.get_or_init(|| new))
        }
    }
}

/// One proposed answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub solution: Vec<Matrix>,
    /// Natural logarithm of the model's probability of this answer among all legal answers.
    pub log_probability: f64,
}

/// A model compiled to a TorchScript module that answers operands.
#[derive(Debug)]
pub struct Solver {
    module: Module,
    /// One per problem, in the order of the tasks.
    formats: Vec<Format>,
    device: Device,
    /// Compiled at the first use, which takes a tenth of a second.
    checkers: OnceLock<Vec<Checker>>,
    preparations: OnceLock<Vec<Option<Preparation>>>,
}

impl Solver {
    /// Compiles the module of a model. The module shares the model's parameters, so it answers with the current weights.
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
            checkers: OnceLock::new(),
            preparations: OnceLock::new(),
        })
    }

    /// Loads a module that [`Self::save`] wrote for a model of this format. This runs code from the file.
    pub fn load(archive: &Archive, format: &Format, device: Device) -> Result<Self> {
        let module = Module::load(archive.content(), device)
            .with_context(|| format!("{} is damaged", archive.path().display()))?;
        Ok(Self {
            module,
            formats: format.tasks(),
            device,
            checkers: OnceLock::new(),
            preparations: OnceLock::new(),
        })
    }

    /// Writes the module and the extra files to one archive, atomically.
    pub fn save(&self, path: &Path, extra: &BTreeMap<String, String>) -> Result<()> {
        let content = self.module.save(extra);
        let content = content.with_context(|| format!("cannot save the TorchScript module {}", path.display()))?;
        file::replace(path, &content)
    }

    /// Changes how later answers are read from predicted distributions. Decoders that write tokens ignore it.
    pub fn set_readout(&mut self, readout: Readout) -> Result<()> {
        Ok(self.module.set_int("readout", tables::readout(readout))?)
    }

    /// Stops scaling operands to the scale of the training data.
    pub fn stop_normalizing(&mut self) -> Result<()> {
        self.formats.iter_mut().for_each(|format| format.deviation = None);
        self.preparations = OnceLock::new();
        Ok(self.module.set_ints("normalizes", &vec![0; self.formats.len()])?)
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// The format of every problem, in the order of the tasks.
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// The checkers that compute residuals, one per problem.
    pub fn checkers(&self) -> Result<&[Checker]> {
        of_each(&self.checkers, &self.formats, |format| Checker::new(format.problem))
    }

    /// The input transform of each problem; `None` if operands are read unchanged.
    pub fn preparations(&self) -> Result<&[Option<Preparation>]> {
        of_each(&self.preparations, &self.formats, Preparation::new)
    }

    /// The format of the first problem; everything in it but the problem holds for all problems of the model.
    pub fn format(&self) -> &Format {
        &self.formats[0]
    }

    /// The format of a case's problem.
    pub fn format_of(&self, case: Case) -> &Format {
        &self.formats[case.task]
    }

    /// Up to `beam` candidates for each example of one case, the most probable first. Only autoregressive decoders take a beam
    /// above 1.
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
        // If the beam is wider than the number of legal answers, the remaining candidates are illegal.
        let legal = |beam: &[Candidate]| {
            beam.iter()
                .filter(|it| it.log_probability > f64::NEG_INFINITY)
                .cloned()
                .collect()
        };
        Ok(candidates.chunks(beam).map(legal).collect())
    }
}

/// The attributes and buffers of a model's module; the arguments are those of [`Solver::new`].
pub fn tables(model: &Model, dimensions: &Dimensions) -> Result<Tables> {
    tables::of(model, dimensions)
}

/// The scripted methods of a model.
fn source(format: &Format) -> String {
    files(format).map(|(_, text)| methods(text)).join("\n\n") + &trace::dispatch(format)
}

/// Name and text of each source file of a model's module.
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

/// The source file of the input transform.
fn form(format: &Format) -> (&'static str, &'static str) {
    if format.is_condensed() {
        script!("condensed")
    } else {
        script!("whole")
    }
}

/// The methods of a file, without the imports and declarations before them.
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

/// The matrices of each example, from one tensor `[batch, rows, cols]` per matrix of an example.
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

/// The message of an error in a scripted method, without the TorchScript traceback.
fn said(error: libtorch::Error) -> anyhow::Error {
    let text = error.to_string();
    if text.contains("there is no method `answers`") {
        return anyhow!(
            "this module was written by laformer 0.1: export it again by `laformer export CHECKPOINT --output FILE.pt`"
        );
    }
    match text.rsplit_once("ValueError: ") {
        Some((_, message)) => anyhow!("{}", message.trim()),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests;
