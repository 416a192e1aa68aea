//! Transformers that calculate: models that answer problems of numerical linear algebra.
//!
//! The rooms of the crate, from the ground up; each uses only those below it:
//!
//! * [`matrix`]: random matrices whose every draw has an address;
//! * [`problem`]: one file per problem: sample, solve with nalgebra, measure a prediction;
//! * [`encoding`]: numbers as tokens, and the grammar of legal answers;
//! * [`dataset`]: examples as streams and CSV files;
//! * [`recipe`]: everything that decides a run, read once into values;
//! * [`batch`]: examples as the tensors of a model;
//! * [`model`]: the transformer, written once for training, decoding and export;
//! * [`inference`]: the TorchScript module that answers, in training, on the command line and in Python;
//! * [`evaluation`]: accuracies with intervals and ceilings;
//! * [`training`]: the loop, checkpoints;
//! * [`report`]: what people read of a run;
//! * [`cli`]: the commands.
//!
//! Beside them stands [`libtorch`], the bridge to what tch lacks, which holds all `unsafe`.
//!
//! An example is a pure function of its address:
//!
//! ```
//! use laformer::dataset::{Specification, Stream};
//! use laformer::matrix::{Distribution, Split};
//!
//! let problem = laformer::problem::named("eigenvalues")?;
//! let specification = Specification::new(problem, "5".parse()?, Distribution::default())?;
//! let stream = Stream::new(specification, 1, Split::Train);
//! let example = stream.example(42)?;
//! assert_eq!(example, stream.example(42)?);
//! assert_eq!(problem.check(&example.operands, &example.solution), Ok(()));
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! A model is made from a recipe, and answers matrices:
//!
//! ```
//! use laformer::batch::Batcher;
//! use laformer::matrix::{Shape, text};
//! use laformer::recipe::Recipe;
//!
//! let recipe = Recipe::parse("problem = \"eigenvalues\"\ndim = 2\n[model]\nwidth = 16", &[])?;
//! let model = recipe.build(tch::Device::Cpu);
//! let operands = [text::parse("[[2,1],[1,3]]")?];
//! let source = Batcher::new(model.format().clone()).source(std::iter::once(&operands[..]))?;
//! let answers = model.generate(&source, Shape::new(2, 2), 1)?;
//! assert_eq!(answers[0][0].solution[0].shape(), (2, 1));
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod batch;
pub mod cli;
pub mod dataset;
mod differences;
pub mod encoding;
pub mod evaluation;
mod file;
pub mod inference;
pub mod libtorch;
pub mod matrix;
pub mod model;
pub mod problem;
pub mod recipe;
pub mod report;
pub mod training;
