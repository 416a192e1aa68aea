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

/// Where examples come from.
#[serde_as]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    pub seed: u64,
    pub coefficients: Coefficients,
    /// Bound of uniform coefficients; Gaussian ones have the same deviation.
    pub magnitude: f64,
    /// Law of the eigenvalues of symmetric problems, or a mixture: `laplace+gaussian`.
    pub spectrum: Spectra,
    /// Share of the training examples whose signs lean to the positive; validation and test examples never do.
    pub sign_bias: f64,
    /// Share of the training coefficients that are made smaller, by up to six powers of ten; those of validation and test never
    /// are.
    pub small_share: f64,
    /// Share of the training operands whose coefficients are made larger, towards the magnitude; those of validation and test never
    /// are.
    pub large_share: f64,
    /// Share of the training matrices whose smallest singular value is made smaller, by up to two powers of ten; those of validation and
    /// test never are.
    pub singular_share: f64,
    /// Share of the training matrices that are of a family, each as likely as any other; those of validation and test never are.
    pub structured_share: f64,
    /// The family of all matrices, in place of independent coefficients.
    #[serde_as(as = "NoneAsEmptyString")]
    pub family: Option<Family>,
    /// Whether targets are computed from the matrix as the model sees it, or from the exact one.
    pub targets: Targets,
    /// Training takes only so many examples, epoch after epoch; 0 for no limit. Of each problem and size, where there are
    /// several.
    pub examples: u64,
    /// Size of a set of examples that training batches come back to; 0 for none. Of each problem and size, where there are
    /// several.
    pub repeated: u64,
    /// Probability that a place of a training batch takes one of the repeated examples.
    pub repeated_share: f64,
    /// Name and fingerprint of the CSV file whose rows are trained on, where `train --data` gave it.
    pub file: String,
    /// Noise on what the model sees of every coefficient, as a share of their standard deviation; targets are of the clean
    /// operands. It makes symmetric matrices a little asymmetric.
    pub noise: Noise,
}

/// How numbers are read and written. The text forms are `values`, `P10`, `P1000`, `B1999` or `FP15`, with digits after a colon:
/// `values:4`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "EncodingTexts", into = "EncodingTexts")]
pub struct Encodings {
    pub input: Input,
    pub output: Arc<dyn Encoding>,
    /// Significant digits where an encoding does not name its own.
    pub digits: u32,
    /// Brings operands to the scale of the training before they are answered, and the answer back; for spectra takes the mean of the
    /// eigenvalues away as well. Where the model reads values (`value_features = "all"`) and the problem allows it.
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

    /// As TOML has them.
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
    /// What training examples have more often than others.
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

    /// The examples that training comes back to.
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

/// Weights of the parts of the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    pub sign: f64,
    pub exponent: f64,
    /// Deviation of soft mantissa labels, as a share of the mantissa; 0 for sharp labels.
    pub smoothing: f64,
    /// Trains eigenvectors and singular vectors towards the sign that the model prefers, instead of that of the solution.
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

/// Precision of linear maps and attention while training; parameters are always fp32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// The faster one of the others; it is measured before a run begins.
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
    /// Name and fingerprint of the run whose weights were the initial parameters, where `train --from` gave them.
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
    /// How often a run whose numbers cease to be finite goes back to its last save, each time with half the learning rate.
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
    /// Validation examples.
    pub count: usize,
    /// Relative errors below which an answer counts as right; the mean of the accuracies decides which model is best.
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
