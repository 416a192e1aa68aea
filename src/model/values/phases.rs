//! The logarithm as angles: what is multiplied adds them.

use super::{Features, LogMagnitude, buffer};
use tch::{Tensor, nn};

/// Turns of an angle in a power of ten, from the coarse to the fine. At a whole number of turns the angle is of the mantissa alone.
const TURNS: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

/// Sign and decimal logarithm, and sines and cosines of the logarithm. The angles of a product are the sums of its factors' angles,
/// which products of sines and cosines make, and small differences of the logarithm are large ones of the finest angle.
#[derive(Debug)]
pub struct Phases {
    log_magnitude: LogMagnitude,
    /// Angular frequencies, `[7]`.
    frequencies: Tensor,
}

impl Phases {
    pub fn new(path: &nn::Path, log_magnitude: LogMagnitude) -> Self {
        let frequencies = TURNS.map(|turns| std::f64::consts::TAU * turns);
        Self {
            log_magnitude,
            frequencies: buffer(path, "frequencies", &frequencies),
        }
    }
}

impl Features for Phases {
    fn count(&self) -> i64 {
        self.log_magnitude.count() + 2 * TURNS.len() as i64
    }

    fn of(&self, x: &Tensor) -> Tensor {
        let log_magnitude = self.log_magnitude.of(x);
        let angle = log_magnitude.narrow(-1, 1, 1) * &self.frequencies;
        Tensor::cat(&[log_magnitude, angle.sin(), angle.cos()], -1)
    }
}
