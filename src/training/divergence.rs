//! When numbers cease to be finite.

use crate::recipe::{OptimizerKind, Precision, Training};
use std::fmt;

/// A training that cannot go on: what was not finite, where, and what may help.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct Divergence {
    what: String,
    /// The step that made it so.
    step: u64,
    batch_size: u64,
    advice: String,
}

impl Divergence {
    /// `rate` is the share of the learning rate that is left after going back.
    pub(super) fn new(what: String, step: u64, training: &Training, rate: f64) -> Self {
        let mut advice = format!(
            "try a lower training.learning_rate (now {:?}",
            training.learning_rate * rate
        );
        if training.optimizer == OptimizerKind::Muon {
            advice += &format!(", training.muon_learning_rate {:?}", training.muon_learning_rate * rate);
        }
        advice += ")";
        if training.precision == Precision::Bf16 {
            advice += ", training.precision = \"fp32\"";
        }
        if training.clip == 0.0 {
            advice += ", training.clip = 1";
        }
        if training.retries == 0 {
            advice += ", or training.retries = 3 to go back to the last save with half the rate";
        }
        Self {
            what,
            step,
            batch_size: training.batch_size as u64,
            advice,
        }
    }
}

/// `the loss is NaN at step 12, whose batch is the examples 88 to 95: try …`
impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.step * self.batch_size;
        write!(
            f,
            "{} at step {}, whose batch is the examples {} to {} of the training stream: {}; the last save is kept",
            self.what,
            self.step,
            last.saturating_sub(self.batch_size),
            last.saturating_sub(1),
            self.advice
        )
    }
}
