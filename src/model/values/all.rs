//! Several views of a number side by side.

use super::{Features, Fourier, LogMagnitude, Scaled};
use tch::{Tensor, nn};

/// The number, its sign, its logarithm, a logarithm that carries the sign, sines and cosines.
#[derive(Debug)]
pub struct All {
    scaled: Scaled,
    log_magnitude: LogMagnitude,
    fourier: Fourier,
}

impl All {
    pub fn new(path: &nn::Path, magnitude: f64) -> Self {
        let scaled = Scaled::new(path, magnitude);
        Self {
            log_magnitude: LogMagnitude::new(scaled.shared()),
            fourier: Fourier::new(path, magnitude),
            scaled,
        }
    }
}

impl Features for All {
    fn count(&self) -> i64 {
        self.scaled.count() + self.log_magnitude.count() + 1 + self.fourier.count()
    }

    fn of(&self, x: &Tensor) -> Tensor {
        let scaled = self.scaled.of(x);
        let magnitude = scaled.abs() * 10.0;
        let signed_log = x.sign() * (magnitude.clamp_min(1e-2).log10() * 0.5 + 1.0);
        Tensor::cat(&[scaled, self.log_magnitude.of(x), signed_log, self.fourier.of(x)], -1)
    }
}
