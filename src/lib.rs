//! Transformers that calculate.

pub mod cli;
pub mod dataset;
pub mod encoding;
pub mod evaluation;
pub mod libtorch;
pub mod matrix;
pub mod model;
pub mod problem;
pub mod report;
pub mod torchscript;
pub mod training;
