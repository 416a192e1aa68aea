//! Trains transformers to solve problems of numerical linear algebra.
//!
//! The modules are listed lowest first. Each module uses only modules listed before it:
//!
//! * [`matrix`]: reproducible random matrices;
//! * [`problem`]: the problems, one file each: sampling operands, solving with nalgebra, measuring errors;
//! * [`encoding`]: numbers as tokens, and the grammar of legal answers;
//! * [`dataset`]: examples as streams and CSV files;
//! * `recipe`: all settings of a training run, parsed and validated once;
//! * `model`: the transformer, written once for training, decoding and export;
//! * `inference`: the TorchScript module that computes answers, in training, on the command line and in Python;
//! * `batch`: examples as the model's input tensors;
//! * `evaluation`: accuracies with confidence intervals and upper bounds;
//! * `training`: the loop, optimizers, checkpoints;
//! * [`report`]: tables, plots and cards of a run;
//! * [`cli`]: the commands.
//!
//! The separate module `libtorch` binds the parts of libtorch that tch lacks. It holds all `unsafe` code.
//!
//! # Data, without libtorch
//!
//! `laformer = { version = "0.2", default-features = false }` provides the first four modules. An example depends only
//! on a seed, a split and an index.
//!
//! ```
//! use laformer::dataset::{Specification, Stream};
//! use laformer::matrix::{Distribution, Split};
//!
//! fn main() -> anyhow::Result<()> {
//!     let problem = laformer::problem::named("eigenvalues")?;
//!     let specification = Specification::new(problem, "5".parse()?, Distribution::default())?;
//!     let stream = Stream::new(specification, 1, Split::Train);
//!     let example = stream.example(42)?;
//!     assert_eq!(example, stream.example(42)?);
//!     assert_eq!(problem.check(&example.operands, &example.solution), Ok(()));
//!     Ok(())
//! }
//! ```
//!
//! # Models, with libtorch
//!
//! A recipe defines a model. The model's solver answers with the model's current weights; `model.pt` is a saved solver.
//!
#![cfg_attr(feature = "libtorch", doc = "```")]
#![cfg_attr(not(feature = "libtorch"), doc = "```ignore")]
//! use laformer::matrix::{Shape, text};
//! use laformer::recipe::Recipe;
//!
//! fn main() -> anyhow::Result<()> {
//!     let recipe = Recipe::parse("problem = \"eigenvalues\"\ndim = 2\n[model]\nwidth = 16", &[])?;
//!     let model = recipe.build(tch::Device::Cpu);
//!     let solver = recipe.solver(&model)?;
//!     let operands = [text::parse("[[2,1],[1,3]]")?];
//!     let answers = solver.answers(Shape::new(2, 2).into(), &[&operands], 1)?;
//!     assert_eq!(answers[0][0].solution[0].shape(), (2, 1));
//!     Ok(())
//! }
//! ```

// Without models, some functions of the lower modules are unused.
#![cfg_attr(not(feature = "libtorch"), allow(dead_code))]

#[cfg(feature = "libtorch")]
pub mod batch;
#[cfg_attr(
    not(feature = "libtorch"),
    path = "cli/without_libtorch.rs",
    allow(unused_imports, unused_macros)
)]
pub mod cli;
pub mod dataset;
mod differences;
pub mod encoding;
#[cfg(feature = "libtorch")]
pub mod evaluation;
mod file;
#[cfg(feature = "libtorch")]
pub mod inference;
#[cfg(feature = "libtorch")]
pub mod libtorch;
pub mod matrix;
#[cfg(feature = "libtorch")]
mod memory;
#[cfg(feature = "libtorch")]
pub mod model;
pub mod problem;
#[cfg(feature = "libtorch")]
pub mod recipe;
#[cfg_attr(not(feature = "libtorch"), path = "report/without_libtorch.rs")]
pub mod report;
#[cfg(feature = "libtorch")]
pub mod training;
