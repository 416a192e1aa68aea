//! Sines and cosines, from the coarse to the fine.

use super::{Features, buffer};
use tch::{Tensor, nn};

/// Periods in units of the coefficients' magnitude.
const PERIODS: [f64; 9] = [4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.005];

#[derive(Debug)]
pub struct Fourier {
    /// Angular frequencies, `[9]`.
    frequencies: Tensor,
}

impl Fourier {
    pub fn new(path: &nn::Path, magnitude: f64) -> Self {
        let frequencies = PERIODS.map(|period| std::f64::consts::TAU / (period * magnitude));
        Self {
            frequencies: buffer(path, "frequencies", &frequencies),
        }
    }
}

impl Features for Fourier {
    fn count(&self) -> i64 {
        2 * PERIODS.len() as i64
    }

    fn of(&self, x: &Tensor) -> Tensor {
        let angle = x * &self.frequencies;
        Tensor::cat(&[angle.sin(), angle.cos()], -1)
    }
}
