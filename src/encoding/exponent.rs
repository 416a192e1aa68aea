//! The exponent tokens E-100 … E100 that P10, P1000 and B1999 share.

use super::OutOfRange;
use super::decimal::{Decimal, LARGEST_POWER, Ties};
use std::ops::Range;

/// Largest exponent with a token.
pub const LARGEST: i32 = 100;

/// Appends the exponent words and returns their range.
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

/// All magnitudes below this bound can be encoded.
pub const REACH: f64 = 1e100;

/// Whether a magnitude is between 2^-300 and 2^300 (about 10^±90). Its exponent then has a token for any number of
/// digits. False for zero, infinity and NaN.
#[inline(always)]
fn is_ordinary(value: f64) -> bool {
    let biased = value.abs().to_bits() >> 52;
    (1023 - 300..1023 + 300).contains(&biased)
}

/// Rounds to the digits of an encoding. Magnitudes below its smallest number become zero. Fails for magnitudes above
/// its largest number.
#[inline(always)]
pub fn round(name: &str, digits: u32, value: f64) -> Result<Decimal, OutOfRange> {
    if is_ordinary(value) {
        Ok(Decimal::of_ordinary(value, digits))
    } else {
        round_any(name, digits, value)
    }
}

#[cold]
fn round_any(name: &str, digits: u32, value: f64) -> Result<Decimal, OutOfRange> {
    // The comparison is also false if the value is NaN.
    let in_table = value.abs() < 1e110;
    if !in_table {
        return Err(too_large(name, digits, value));
    }
    let decimal = Decimal::round(value, digits, -LARGEST_POWER, Ties::Even);
    match decimal.exponent {
        exponent if exponent > LARGEST => Err(too_large(name, digits, value)),
        exponent if exponent < -LARGEST => Ok(Decimal::ZERO),
        _ => Ok(decimal),
    }
}

fn too_large(name: &str, digits: u32, value: f64) -> OutOfRange {
    OutOfRange {
        value,
        encoding: name.to_string(),
        limit: format!("magnitudes below 1e{} are allowed", LARGEST + digits as i32),
    }
}
