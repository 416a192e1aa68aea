//! A number as it is written.

use super::Features;
use tch::{Kind, Tensor};

/// The sign (-1, 0, 1), then each significant digit and the exponent as one-hot vectors: -3.14 has the digits 3, 1, 4 and the
/// exponent 0; zero has digits 0 and the exponent 0.
#[derive(Debug)]
pub struct Digits {
    digits: i64,
}

/// The largest exponent of fp32; smaller numbers than its inverse share one exponent.
const EXPONENT: i64 = 38;

impl Digits {
    pub fn new(digits: i64) -> Self {
        Self { digits }
    }
}

impl Features for Digits {
    fn count(&self) -> i64 {
        1 + 10 * self.digits + 2 * EXPONENT + 1
    }

    fn of(&self, x: &Tensor) -> Tensor {
        // Numbers are rounded already, but to the nearest fp32: rounding again in fp64 finds their digits.
        let magnitude = x.abs().to_kind(Kind::Double);
        let logarithm = magnitude.masked_fill(&magnitude.eq(0.0), 1.0).log10();
        let exponent = logarithm.floor();
        let unit = Tensor::pow_scalar(10.0, &((self.digits - 1) as f64 - &exponent));
        let mantissa = (&magnitude * unit).round();
        // 0.1 in fp32 may lie below, and is then ten tenths of its unit.
        let full = mantissa.ge(10f64.powi(self.digits as i32));
        let exponent = exponent + full.to_kind(Kind::Double);
        let mantissa = (&mantissa / 10.0).where_self(&full, &mantissa);
        let one_hot = |digit: Tensor, first: i64, last: i64| {
            let classes = Tensor::arange_start(first, last + 1, (Kind::Double, x.device()));
            digit.eq_tensor(&classes).to_kind(Kind::Float)
        };
        let mut features = vec![x.sign()];
        for place in (0..self.digits).rev() {
            let leading = (&mantissa / 10f64.powi(place as i32)).floor();
            features.push(one_hot(leading.remainder(10.0), 0, 9));
        }
        features.push(one_hot(exponent.clamp(-EXPONENT, EXPONENT), -EXPONENT, EXPONENT));
        Tensor::cat(&features, -1)
    }
}
