//! Transformers that calculate.

pub mod dataset;
pub mod encoding;
pub mod libtorch;
pub mod matrix;
pub mod problem;
pub mod torchscript;
