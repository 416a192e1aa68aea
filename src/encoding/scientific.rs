//! What P10, P1000 and B1999 share: a decimal mantissa and a power of ten from E-100 to E100.

use super::decimal::Decimal;
use super::{Encoding, OutOfRange};
use std::ops::RangeInclusive;

/// The exponents of the last digit that have words.
pub(super) const EXPONENTS: RangeInclusive<i32> = -100..=100;

/// `E-100` … `E100`
pub(super) fn exponent_words() -> impl Iterator<Item = String> {
    EXPONENTS.map(|exponent| format!("E{exponent}"))
}

pub(super) fn exponent_class(exponent: i32) -> u32 {
    (exponent - EXPONENTS.start()) as u32
}

pub(super) fn exponent_of(class: u32) -> i32 {
    class as i32 + EXPONENTS.start()
}

/// The decimal that an encoding writes: too small a number is zero, too large a one has no words.
#[inline]
pub(super) fn round(value: f64, encoding: &dyn Encoding, digits: u32) -> Result<Decimal, OutOfRange> {
    match Decimal::round(value, digits) {
        Some(decimal) if decimal.exponent < *EXPONENTS.start() => Ok(Decimal::ZERO),
        Some(decimal) if decimal.exponent <= *EXPONENTS.end() => Ok(decimal),
        _ => Err(out_of_range(
            value,
            encoding,
            digits,
            EXPONENTS.end() + digits as i32 - 1,
        )),
    }
}

/// The error of an encoding whose largest number has only nines, the first of them before `10^leading`.
#[cold]
pub(super) fn out_of_range(value: f64, encoding: &dyn Encoding, digits: u32, leading: i32) -> OutOfRange {
    let nines = "9".repeat(digits as usize - 1);
    OutOfRange {
        value,
        encoding: encoding.to_string(),
        limit: format!("finite numbers up to 9.{nines}e{leading} can"),
    }
}
