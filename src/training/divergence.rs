//! Divergence: losses or gradients that are not finite.

use crate::recipe::{OptimizerKind, Precision, Training};

/// `the loss ceases to be finite at step 12, whose batch is the examples 88 to 95 of the training stream`
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} ceases to be finite at step {step}, whose batch is the examples {first} to {last} of the training stream"
)]
pub struct Divergence {
    what: String,
    /// The step at which it happened.
    step: u64,
    first: u64,
    last: u64,
}

impl Divergence {
    pub(super) fn new(what: &str, step: u64, training: &Training) -> Self {
        let end = step * training.batch_size as u64;
        Self {
            what: what.to_owned(),
            step,
            first: end.saturating_sub(training.batch_size as u64),
            last: end.saturating_sub(1),
        }
    }
}

/// Settings that may prevent divergence and are not in use. `factor` multiplies the learning rates after retries.
pub(super) fn advice(training: &Training, factor: f64) -> String {
    let mut advice = format!(
        "try a lower training.learning_rate (now {:?}",
        training.learning_rate * factor
    );
    if training.optimizer == OptimizerKind::Muon {
        advice += &format!(
            ", training.muon_learning_rate {:?}",
            training.muon_learning_rate * factor
        );
    }
    advice += ")";
    if training.precision == Precision::Bf16 {
        advice += ", training.precision = \"fp32\"";
    }
    if training.clip == 0.0 {
        advice += ", training.clip = 1";
    }
    if training.retries == 0 {
        advice += ", or training.retries = 3, which goes back to the last save with half the rate";
    }
    advice
}
