//! The sections of a recipe.

use super::model::Architecture;
use super::schedule::Schedule;
use super::texts::EncodingTexts;
use crate::dataset::{Repetition, Targets};
use crate::encoding::{self, Encoding, Input};
use crate::matrix::{Coefficients, Distribution, Family, Noise, Oversampling, Spectra};
use serde::{Deserialize, Serialize};
use serde_with::{NoneAsEmptyString, serde_as};
use std::sync::Arc;

/// The distribution and repetition of examples.
#[serde_as]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    pub seed: u64,
    pub coefficients: Coefficients,
    /// Bound of uniform coefficients. Gaussian coefficients have the same standard deviation.
    pub magnitude: f64,
    /// Distribution of the eigenvalues of symmetric matrices, or a mixture: `laplace+gaussian`.
    pub spectrum: Spectra,
    /// Share of training examples with a bias towards positive signs. This and the other shares do not affect
    /// validation and test.
    pub sign_bias: f64,
    /// Share of training coefficients that are divided by up to six powers of ten.
    pub small_share: f64,
    /// Share of training operands whose coefficients are made larger, up to the magnitude.
    pub large_share: f64,
    /// Share of training matrices whose smallest singular value is divided by up to two powers of ten.
    pub singular_share: f64,
    /// Share of training matrices from a random family; all families are equally likely.
    pub structured_share: f64,
    /// The family of all matrices, instead of independent coefficients.
    #[serde_as(as = "NoneAsEmptyString")]
    pub family: Option<Family>,
    /// Whether targets belong to the rounded matrix, which the model reads, or to the exact one.
    pub targets: Targets,
    /// Number of training examples, which are repeated each epoch; 0 for no limit. Applies to each problem and size
    /// separately.
    pub examples: u64,
    /// Number of examples that training repeats, mixed with new ones; 0 for none. Applies to each problem and size
    /// separately.
    pub repeated: u64,
    /// Probability that a place in a training batch takes a repeated example.
    pub repeated_share: f64,
    /// Name and fingerprint of the CSV file that `train --data` trains on; else empty.
    pub file: String,
    /// Standard deviation of the noise on each coefficient that the model reads, relative to the coefficients' standard
    /// deviation. Targets belong to the clean operands. Noise makes symmetric matrices slightly asymmetric.
    pub noise: Noise,
}

/// The encodings of input and output. Their text forms are `values`, `P10`, `P1000`, `B1999` and `FP15`, optionally
/// with a colon and the number of digits: `values:4`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "EncodingTexts", into = "EncodingTexts")]
pub struct Encodings {
    pub input: Input,
    pub output: Arc<dyn Encoding>,
    /// Significant digits of encodings that do not give their own number.
    pub digits: u32,
    /// Scales operands to the training coefficients' standard deviation, and scales the answer back. For spectra, it
    /// also shifts the mean eigenvalue to zero. It applies to value input with `value_features = "all"`, for problems
    /// that allow it.
    pub normalize: bool,
}

impl PartialEq for Encodings {
    fn eq(&self, other: &Self) -> bool {
        self.texts() == other.texts()
    }
}

impl Encodings {
    pub(super) fn preset(architecture: Architecture) -> Self {
        let output = encoding::named("P1000").expect("P1000 is an encoding");
        Self {
            input: if architecture.reads_tokens() {
                Input::Tokens(output.clone())
            } else {
                Input::Values {
                    digits: encoding::DEFAULT_DIGITS,
                    reading: encoding::InputLayout::Whole,
                }
            },
            output,
            digits: encoding::DEFAULT_DIGITS,
            normalize: !architecture.reads_tokens(),
        }
    }

    /// The encodings as TOML values.
    pub fn texts(&self) -> EncodingTexts {
        self.clone().into()
    }
}

impl Default for Data {
    fn default() -> Self {
        Self {
            seed: 1,
            coefficients: Coefficients::Uniform,
            magnitude: Distribution::DEFAULT_MAGNITUDE,
            spectrum: Spectra::default(),
            sign_bias: 0.0,
            small_share: 0.0,
            large_share: 0.0,
            singular_share: 0.0,
            structured_share: 0.0,
            family: None,
            targets: Targets::Rounded,
            examples: 0,
            repeated: 0,
            repeated_share: 0.0,
            file: String::new(),
            noise: Noise::default(),
        }
    }
}

impl Data {
    /// The oversampling of training examples.
    pub fn oversampling(&self) -> Oversampling {
        Oversampling {
            sign_bias: self.sign_bias,
            small: self.small_share,
            large: self.large_share,
            singular: self.singular_share,
            structured: self.structured_share,
        }
    }

    /// Standard deviation of the coefficients.
    pub fn deviation(&self) -> f64 {
        self.coefficients.deviation(self.magnitude)
    }

    /// The repetition of training examples.
    pub fn repetition(&self) -> Repetition {
        match (self.examples, self.repeated) {
            (0, 0) => Repetition::Never,
            (0, examples) => Repetition::TwoSets {
                examples,
                share: self.repeated_share,
            },
            (examples, _) => Repetition::Fixed {
                examples: u32::try_from(examples).unwrap_or(u32::MAX),
            },
        }
    }
}

/// Weights and options of the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    pub sign: f64,
    pub exponent: f64,
    /// Standard deviation of soft mantissa labels, relative to the mantissa; 0 for hard labels.
    pub smoothing: f64,
    /// Whether targets for eigenvectors and singular vectors have the signs that the model prefers, instead of the
    /// solution's signs.
    pub free_signs: bool,
}

impl Loss {
    pub fn preset(architecture: Architecture) -> Self {
        let tokens = architecture.reads_tokens();
        Self {
            sign: if tokens { 1.0 } else { 5.0 },
            exponent: if tokens { 1.0 } else { 2.0 },
            smoothing: if tokens { 0.0 } else { 0.01 },
            free_signs: false,
        }
    }
}

/// Precision of linear maps and attention in training. Parameters are always float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// The faster of the other precisions, measured before the run.
    Auto,
    Fp32,
    Bf16,
}

impl Precision {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    Adamw,
    Muon,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Seed of the initial parameters.
    pub seed: u64,
    /// Name and fingerprint of the run that gave the initial parameters (`train --from`); else empty.
    pub from: String,
    pub steps: u64,
    pub batch_size: usize,
    pub optimizer: OptimizerKind,
    /// Learning rate of AdamW.
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    /// Weight decay of hidden matrices.
    pub weight_decay: f64,
    /// Learning rate of the matrices that Muon trains.
    pub muon_learning_rate: f64,
    pub schedule: Schedule,
    /// Number of steps in which the learning rate increases from zero.
    pub warmup: u64,
    /// Averages the weights over the last fraction of training (0.1: the last tenth), for evaluation and checkpoints. 0
    /// means the weights of the last step.
    pub average: f64,
    /// Largest norm of the gradient; 0 disables clipping.
    pub clip: f64,
    pub precision: Precision,
    /// CPU threads. Each computes the gradient of a part of the batch. 0 means one thread per core, with at
    /// least 16 examples each. Only runs with equal numbers of threads have equal bits.
    pub threads: usize,
    /// Threads that prepare batches in advance.
    pub data_threads: usize,
    /// Steps between log lines.
    pub log_every: u64,
    /// Steps between saves; 0 saves only at evaluations.
    pub save_every: u64,
    /// The number of times that a diverged run returns to its last save. Each return halves the learning rate.
    pub retries: u32,
}

impl Training {
    pub(super) fn preset(architecture: Architecture) -> Self {
        let (paper, pair) = (architecture == Architecture::Paper, architecture == Architecture::Pair);
        Self {
            seed: 1,
            from: String::new(),
            steps: 10_000,
            batch_size: 64,
            optimizer: if architecture.reads_tokens() {
                OptimizerKind::Adamw
            } else {
                OptimizerKind::Muon
            },
            learning_rate: match architecture {
                Architecture::Paper => 1e-4,
                Architecture::Pair => 2e-3,
                _ => 1e-3,
            },
            beta1: 0.9,
            beta2: if paper { 0.999 } else { 0.98 },
            epsilon: 1e-8,
            weight_decay: 0.0,
            muon_learning_rate: if pair { 0.014 } else { 0.01 },
            schedule: match architecture {
                Architecture::Paper => Schedule::Constant,
                Architecture::Pair => Schedule::Trapezoid,
                _ => Schedule::Linear,
            },
            warmup: if paper { 10_000 } else { 300 },
            average: 0.0,
            clip: if paper { 5.0 } else { 1.0 },
            precision: Precision::Auto,
            threads: 0,
            data_threads: 1,
            log_every: 100,
            save_every: 0,
            retries: 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Steps between evaluations; 0 evaluates only at the end.
    pub every: u64,
    /// Number of validation examples.
    pub count: usize,
    /// Relative errors below which an answer is correct. The mean of the accuracies determines the best model.
    pub tolerances: Vec<f64>,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            every: 1_000,
            count: 1_000,
            tolerances: vec![0.05, 0.02, 0.01, 0.005],
        }
    }
}
