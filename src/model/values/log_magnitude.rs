//! Sign and order of magnitude.

use super::{Features, Scaled};
use tch::Tensor;

/// Sign and decimal logarithm.
#[derive(Debug)]
pub struct LogMagnitude {
    scaled: Scaled,
}

impl LogMagnitude {
    pub fn new(scaled: Scaled) -> Self {
        Self { scaled }
    }
}

impl Features for LogMagnitude {
    fn count(&self) -> i64 {
        2
    }

    fn of(&self, x: &Tensor) -> Tensor {
        // Relative to a magnitude of 10, floored where a three-digit coefficient is as good as zero.
        let log = (self.scaled.of(x).abs() * 10.0).clamp_min(1e-3).log10();
        Tensor::cat(&[x.sign(), log], -1)
    }
}
