//! The sections of a recipe.

use super::precision::Precision;
use super::schedule::Schedule;
use crate::dataset::Targets;
use crate::matrix::{Coefficients, Emphasis};
use serde::{Deserialize, Serialize};

/// Where examples come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    pub seed: u64,
    pub coefficients: Coefficients,
    /// Bound of uniform coefficients; Gaussian ones have the same deviation.
    pub magnitude: f64,
    /// Law of the eigenvalues of symmetric problems, or a mixture: `laplace+gaussian`.
    pub spectrum: String,
    /// Share of the training examples whose signs lean to the positive; validation and test examples never do.
    pub sign_bias: f64,
    /// Share of the training coefficients that are made smaller, by up to six powers of ten; those of validation and test never
    /// are.
    #[serde(default)]
    pub small_share: f64,
    /// Share of the training operands whose coefficients are made larger, towards the magnitude; those of validation and test never
    /// are.
    #[serde(default)]
    pub large_share: f64,
    /// Share of the training matrices whose smallest singular value is made smaller, by up to two powers of ten; those of validation and
    /// test never are.
    #[serde(default)]
    pub singular_share: f64,
    /// Whether targets are computed from the matrix as the model sees it, or from the exact one.
    pub targets: Targets,
    /// Training takes only so many examples, epoch after epoch; 0 for no limit. Of each problem and size, where there are
    /// several.
    #[serde(default)]
    pub examples: u64,
    /// Size of a set of examples that training batches come back to; 0 for none. Of each problem and size, where there are
    /// several.
    #[serde(default)]
    pub repeated: u64,
    /// Probability that a place of a training batch takes one of the repeated examples.
    #[serde(default)]
    pub repeated_share: f64,
    /// Name and fingerprint of the CSV file whose rows are trained on, where `train --data` gave it.
    #[serde(default)]
    pub file: String,
    /// Noise on what the model sees of every coefficient, as a share of their standard deviation; targets are of the clean
    /// operands. It makes symmetric matrices a little asymmetric.
    #[serde(default)]
    pub noise: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encodings {
    /// `values`, `P10`, `P1000`, `B1999` or `FP15`, with digits after a colon: `values:4`.
    pub input: String,
    pub output: String,
    /// Significant digits where an encoding does not name its own.
    pub digits: u32,
}

impl Data {
    /// What training examples have more often than others.
    pub fn emphasis(&self) -> Emphasis {
        Emphasis {
            sign_bias: self.sign_bias,
            small: self.small_share,
            large: self.large_share,
            singular: self.singular_share,
        }
    }
}

/// Weights of the parts of the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    pub sign: f64,
    pub exponent: f64,
    /// Deviation of soft mantissa labels, as a share of the mantissa; 0 for sharp labels.
    pub smoothing: f64,
    /// Trains eigenvectors and singular vectors towards the sign that the model prefers, instead of that of the solution.
    #[serde(default)]
    pub free_signs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    Adamw,
    Muon,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Seed of the initial parameters.
    pub seed: u64,
    /// Name and fingerprint of the run whose weights were the initial parameters, where `train --from` gave them.
    #[serde(default)]
    pub from: String,
    pub steps: u64,
    pub batch_size: usize,
    pub optimizer: OptimizerKind,
    /// Of AdamW.
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    /// Of hidden matrices.
    pub weight_decay: f64,
    /// Of Muon's matrices.
    pub muon_learning_rate: f64,
    pub schedule: Schedule,
    /// Steps over which the learning rate rises.
    pub warmup: u64,
    /// Evaluates and keeps a mean of the weights over about the last so much of all steps: 0.1 for a tenth; 0 for the weights of the last
    /// step.
    #[serde(default)]
    pub average: f64,
    /// Largest norm of the gradient; 0 disables clipping.
    pub clip: f64,
    pub precision: Precision,
    /// Threads on a CPU, which compute the gradients of shares of a batch; 0 for as many as there are cores and 16 examples for
    /// each. A run repeats its bits only with the same number.
    pub threads: usize,
    /// Threads that make batches ahead.
    pub data_threads: usize,
    /// Steps between lines of the log.
    pub log_every: u64,
    /// Steps between saves; 0 saves only where the model is evaluated.
    pub save_every: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Steps between evaluations; 0 evaluates only at the end.
    pub every: u64,
    /// Validation examples.
    pub count: usize,
    /// Relative errors below which an answer counts as right; the mean of the accuracies decides which model is best.
    pub tolerances: Vec<f64>,
}
