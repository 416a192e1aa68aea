//! Transformers that calculate: models that answer problems of numerical linear algebra.
//!
//! The rooms of the crate, from the ground up; each uses only those below it:
//!
//! * [`matrix`]: random matrices whose every draw has an address;
//! * [`problem`]: one file per problem: sample, solve with nalgebra, measure a prediction;
//! * [`encoding`]: numbers as tokens, and the grammar of legal answers;
//! * [`dataset`]: examples as streams and CSV files;
//! * `recipe`: everything that decides a training, parsed and validated once;
//! * `model`: the transformer, written once for training, decoding and export;
//! * `inference`: the TorchScript module that answers, in training, on the command line and in Python;
//! * `batch`: examples as the tensors of a model;
//! * `evaluation`: accuracies with intervals and ceilings;
//! * `training`: the loop, optimizers, checkpoints;
//! * [`report`]: what people read of a run;
//! * [`cli`]: the commands.
//!
//! Beside them stands `libtorch`, the bridge to what tch lacks, which holds all `unsafe`.
//!
//! # Data, without libtorch
//!
//! `laformer = { version = "0.2", default-features = false }` has the first four rooms. An example is a pure function of its
//! address: a seed, a split and an index.
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
//! A model is made from a recipe. Its solver answers matrices with the weights of the moment, and is what `model.pt` holds.
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

// What only models use of the rooms below them.
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
