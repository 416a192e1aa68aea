//! FP15: the whole number in one token, `N314e7` = 314 × 10^7 / 10^9. With D digits, `N<m>e<e>` is m × 10^e / 10^(D+6),
//! m with D digits and e from 0 to 15; below the smallest of them, numbers are fixed-point: fewer digits, and e0.
//!
//! The classes are in the order of their numbers: zero in the middle, and `m + 9·10^(D-1)·e` steps from it. Halves are
//! rounded away from zero, as the released code of the paper does.

use super::decimal::{self, Ties};
use super::scientific::out_of_range;
use super::{Encoding, Field, OutOfRange, Part};
use std::sync::OnceLock;

#[derive(Debug)]
pub(super) struct FP15 {
    digits: u32,
    /// Steps from one exponent to the next: the mantissas with all digits, 900.
    mantissas: u32,
    /// Steps from zero to the largest number, which is also the class of zero.
    zero: u32,
    fields: [Field; 1],
    /// Millions for five digits: made only when asked for.
    words: OnceLock<Vec<String>>,
}

const MAX_EXPONENT: u32 = 15;
/// A mantissa with all its digits and exponent 0 begins at 10^-7.
const LEAST_LEADING: i32 = -7;

impl FP15 {
    pub(super) fn new(digits: u32) -> Self {
        let mantissas = 9 * 10u32.pow(digits - 1);
        let zero = 10u32.pow(digits) - 1 + mantissas * MAX_EXPONENT;
        let field = Field {
            name: "float".into(),
            part: Part::Float,
            words: 0..2 * zero as usize + 1,
        };
        Self {
            digits,
            mantissas,
            zero,
            fields: [field],
            words: OnceLock::new(),
        }
    }

    /// Digits after the decimal point of the finest numbers.
    fn shift(&self) -> i32 {
        self.digits as i32 - 1 - LEAST_LEADING
    }

    /// Mantissa and exponent of the number that is so many steps from zero.
    fn symbols(&self, steps: u32) -> (u32, u32) {
        let exponent = steps.saturating_sub(self.mantissas / 9) / self.mantissas;
        (steps - exponent * self.mantissas, exponent)
    }
}

impl Encoding for FP15 {
    fn name(&self) -> &'static str {
        "FP15"
    }

    fn digits(&self) -> u32 {
        self.digits
    }

    fn words(&self) -> &[String] {
        self.words.get_or_init(|| {
            let word = |sign, steps| {
                let (mantissa, exponent) = self.symbols(steps);
                format!("N{sign}{mantissa}e{exponent}")
            };
            let negative = (1..=self.zero).rev().map(|steps| word("-", steps));
            negative.chain((0..=self.zero).map(|steps| word("", steps))).collect()
        })
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn prediction_order(&self) -> &[usize] {
        &[0]
    }

    fn encode(&self, value: f64, classes: &mut [u32]) -> Result<(), OutOfRange> {
        let magnitude = value.abs();
        let too_large = || out_of_range(value, self, self.digits, LEAST_LEADING + MAX_EXPONENT as i32);
        if magnitude.is_nan() || magnitude >= 1e9 {
            return Err(too_large());
        }
        let exponent = if magnitude < 1e-6 {
            0
        } else {
            decimal::decimal_exponent(magnitude) - LEAST_LEADING
        };
        let mantissa = decimal::scaled(magnitude, self.shift() - exponent, Ties::Up) as u32;
        // A mantissa rounded up to 1000 is as many steps from zero as 100 with the next exponent.
        let steps = mantissa + self.mantissas * exponent as u32;
        if steps > self.zero {
            return Err(too_large());
        }
        classes[0] = if value < 0.0 {
            self.zero - steps
        } else {
            self.zero + steps
        };
        Ok(())
    }

    fn decode(&self, classes: &[u32]) -> f64 {
        let (mantissa, exponent) = self.symbols(classes[0].abs_diff(self.zero));
        let magnitude = decimal::shifted(f64::from(mantissa), exponent as i32 - self.shift());
        if classes[0] < self.zero { -magnitude } else { magnitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::testing::{error, text};

    #[test]
    fn three_digits() {
        let text = |value| text("FP15", value);
        assert_eq!(text(3.14), "N314e7");
        assert_eq!(text(0.0), "N0e0");
        assert_eq!(text(-0.0), "N0e0");
        assert_eq!(text(999.5), "N100e10", "halves go up");
        assert_eq!(text(998.5), "N999e9", "halves go up, also to odd digits");
        assert_eq!(text(-1.125), "N-113e7", "away from zero");
        assert_eq!(text(9.995), "N999e7", "the float64 is 9.99499999999999922");
        assert_eq!(text(0.1 + 0.2), "N300e6");
        assert_eq!(text(1.0), "N100e7");
    }

    #[test]
    fn fixed_point_below_the_smallest_mantissa() {
        let text = |value| text("FP15", value);
        assert_eq!(text(1e-7), "N100e0");
        assert_eq!(text(1.234e-7), "N123e0");
        assert_eq!(text(9.996e-7), "N100e1");
        assert_eq!(text(-1e-9), "N-1e0");
        assert_eq!(text(1.6e-9), "N2e0");
        assert_eq!(text(-4.9e-10), "N0e0");
        assert_eq!(text(5e-324), "N0e0");
    }

    #[test]
    fn more_digits() {
        assert_eq!(text("FP15:4", 3.14159), "N3142e7");
        assert_eq!(text("FP15:4", 9.995), "N9995e7");
        assert_eq!(text("FP15:4", 1e-10), "N1e0");
        assert_eq!(text("FP15:5", -3.14159), "N-31416e7");
    }

    #[test]
    fn largest() {
        assert_eq!(text("FP15", 9.99e8), "N999e15");
        assert_eq!(text("FP15", -9.9949e8), "N-999e15");
        assert_eq!(text("FP15:4", 9.995e8), "N9995e15");
        let limit = "cannot be written in FP15:3: finite numbers up to 9.99e8 can";
        assert_eq!(error("FP15", 9.995e8), format!("9.995e8 {limit}"));
        assert_eq!(error("FP15", -6.02e23), format!("-6.02e23 {limit}"));
        assert_eq!(error("FP15", f64::NAN), format!("NaN {limit}"));
        assert_eq!(error("FP15", f64::NEG_INFINITY), format!("-inf {limit}"));
    }

    #[test]
    fn classes_are_in_the_order_of_their_numbers() {
        let encoding = FP15::new(3);
        assert_eq!(encoding.words().len(), 28_999, "as in the released code");
        let values: Vec<_> = (0..28_999).map(|class| encoding.decode(&[class])).collect();
        assert!(values.is_sorted_by(|a, b| a < b));
        assert_eq!((values[0], values[14_499], values[28_998]), (-9.99e8, 0.0, 9.99e8));
    }
}
