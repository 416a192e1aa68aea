//! The exponent tokens E-100 … E100 that P10, P1000 and B1999 share.

use super::decimal::{Decimal, LARGEST_POWER, Ties};
use super::{Encoding, OutOfRange};
use std::ops::Range;

/// Largest power of ten that multiplies a mantissa.
pub const LARGEST: i32 = 100;

/// Appends the words; where they are.
pub fn words(words: &mut Vec<String>) -> Range<usize> {
    let start = words.len();
    words.extend((-LARGEST..=LARGEST).map(|exponent| format!("E{exponent}")));
    start..words.len()
}

pub fn class(exponent: i32) -> u32 {
    (exponent + LARGEST) as u32
}

pub fn of_class(class: u32) -> i32 {
    class as i32 - LARGEST
}

/// Rounds to the digits of an encoding: zero below its smallest number, an error beyond its largest.
pub fn round(encoding: &dyn Encoding, value: f64) -> Result<Decimal, OutOfRange> {
    let digits = encoding.digits();
    let too_large = || OutOfRange {
        value,
        encoding: encoding.name().to_string(),
        limit: format!("magnitudes below 1e{} are allowed", LARGEST + digits as i32),
    };
    if value.is_nan() || value.abs() >= 1e110 {
        return Err(too_large());
    }
    let decimal = Decimal::round(value, digits, -LARGEST_POWER, Ties::Even);
    match decimal.exponent {
        exponent if exponent > LARGEST => Err(too_large()),
        exponent if exponent < -LARGEST => Ok(Decimal {
            negative: false,
            mantissa: 0,
            exponent: 0,
        }),
        _ => Ok(decimal),
    }
}
