//! The bare number.

use super::{Features, buffer};
use tch::{Tensor, nn};

/// The number in units of the coefficients' magnitude.
#[derive(Debug)]
pub struct Scaled {
    /// 1 / magnitude, `[1]`.
    scale: Tensor,
}

impl Scaled {
    pub fn new(path: &nn::Path, magnitude: f64) -> Self {
        Self {
            scale: buffer(path, "scale", &[magnitude.recip()]),
        }
    }

    /// The same features, of the same buffer.
    pub fn shared(&self) -> Self {
        Self {
            scale: self.scale.shallow_clone(),
        }
    }
}

impl Features for Scaled {
    fn count(&self) -> i64 {
        1
    }

    fn of(&self, x: &Tensor) -> Tensor {
        x * &self.scale
    }
}
