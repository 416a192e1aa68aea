//! Tokens of numbers: the encodings P10, P1000, B1999 and FP15 of Charton (arXiv 2112.01898, section 2.1), with 2 to 5
//! digits.
//!
//! A number is a tuple of *classes*, one per [`Field`]. A parallel decoder predicts classes. An autoregressive decoder
//! predicts tokens, one per class; only the zero of P10 has fewer (`+ 0 E0`).

mod b1999;
mod decimal;
mod exponent;
mod fp15;
#[cfg(test)]
mod golden;
mod grammar;
mod input;
mod layout;
mod positional;
mod powers;
mod vocabulary;

pub use b1999::B1999;
pub use decimal::{Decimal, LARGEST_POWER, Ties, power, power_rest};
pub use fp15::Fp15;
pub use grammar::Grammar;
pub use input::{Input, InputLayout};
pub use layout::Layout;
pub use positional::Positional;
pub use vocabulary::{PAD, START, Vocabulary, WORDS};

use crate::matrix::row_major;
use crate::matrix::{self, Matrix, UnknownName};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

/// The part of a number that a field encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Sign,
    /// Digits of the mantissa. The field with `leading` holds the most significant ones.
    Mantissa {
        leading: bool,
    },
    /// Mantissa with its sign.
    SignedMantissa,
    Exponent,
    /// The number as a whole.
    Float,
}

impl Part {
    /// Whether a larger class means a larger magnitude if all classes predicted before are equal.
    pub fn is_magnitude(self) -> bool {
        matches!(self, Self::Mantissa { .. })
    }
}

/// The index of the field with the last digits. `None` if they share a field with the sign or the exponent.
pub fn last_digit(fields: &[Field]) -> Option<usize> {
    fields.iter().rposition(|field| field.part.is_magnitude())
}

/// One part of a number's encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name in losses and parameters: `sign`, `mantissa`, `mantissa2`, `exponent`.
    pub name: String,
    pub part: Part,
    /// The words of the classes as a range of [`Encoding::words`]: class `c` is word `words.start + c`.
    pub words: Range<usize>,
}

impl Field {
    pub fn classes(&self) -> usize {
        self.words.len()
    }
}

/// An encoding of real numbers by a finite set of words.
pub trait Encoding: std::fmt::Debug + Send + Sync {
    /// `P1000`
    fn name(&self) -> &'static str;

    /// Significant decimal digits of the mantissa; 3 in the paper.
    fn digits(&self) -> u32;

    /// All words, without duplicates, in the order of their ids.
    fn words(&self) -> &[String];

    /// The fields of a number in the order of its tokens.
    fn fields(&self) -> &[Field];

    /// The order in which a parallel decoder predicts the fields, as indices into `fields`. Each prediction depends on
    /// the previous ones, so the order is coarse to fine: sign, exponent, mantissa.
    fn prediction_order(&self) -> &[usize];

    /// Rounds a number to the nearest and writes its classes (`classes.len() == fields().len()`).
    fn encode(&self, value: f64, classes: &mut [u32]) -> Result<(), OutOfRange>;

    /// The number of the given classes. Every tuple of valid classes has one.
    fn decode(&self, classes: &[u32]) -> f64;

    /// The inverse of [`Self::share_within`].
    #[cfg(test)]
    fn decode_within(&self, classes: &mut [u32], share: f64) -> f64 {
        let value = self.decode(classes);
        match last_digit(self.fields()) {
            Some(last) if value != 0.0 => {
                classes[last] += 1;
                value + (self.decode(classes) - value) * (share - 0.5)
            }
            _ => value,
        }
    }

    /// The position of `value` in the interval of numbers that round to its [classes](Self::encode), as a fraction. It
    /// is 0 at the end near zero, 0.5 at [`Self::decode`], and 1 at the far end. It is always 0.5 for zero, and for
    /// encodings whose [last digit](last_digit) has no field of its own.
    fn share_within(&self, value: f64, classes: &mut [u32]) -> f64 {
        let written = self.decode(classes);
        match last_digit(self.fields()) {
            Some(last) if written != 0.0 => {
                classes[last] += 1;
                0.5 + (value - written) / (self.decode(classes) - written)
            }
            _ => 0.5,
        }
    }

    /// Appends the [fraction](Self::share_within) of each coefficient of a matrix, row by row. `symbols` are the
    /// matrix's classes, as written by [`Self::write`] with all starts zero.
    fn write_shares(&self, matrix: &Matrix, symbols: &[i64], shares: &mut Vec<f32>) {
        let mut classes = [0; MAX_FIELDS];
        let classes = &mut classes[..self.fields().len()];
        for (value, number) in row_major(matrix).zip(symbols.chunks_exact(classes.len())) {
            for (class, symbol) in classes.iter_mut().zip(number) {
                *class = *symbol as u32;
            }
            shares.push(self.share_within(value, classes) as f32);
        }
    }

    /// Rounds a number to one that has an encoding: [`Self::decode`] of [`Self::encode`].
    fn round(&self, value: f64) -> Result<f64, OutOfRange> {
        let mut classes = [0; MAX_FIELDS];
        let classes = &mut classes[..self.fields().len()];
        self.encode(value, classes)?;
        Ok(self.decode(classes))
    }

    /// Applies [`Self::round`] to all values in place. A provided method calls `round` without dynamic dispatch.
    fn round_all(&self, values: &mut [f64]) -> Result<(), OutOfRange> {
        for value in values {
            *value = self.round(*value)?;
        }
        Ok(())
    }

    /// Appends the classes of a matrix's coefficients, row by row. Adds the start of its field to each class.
    fn write(&self, matrix: &Matrix, starts: &[i64], symbols: &mut Vec<i64>) -> Result<(), OutOfRange> {
        let mut classes = [0; MAX_FIELDS];
        let classes = &mut classes[..starts.len()];
        let written = symbols.len();
        symbols.resize(written + matrix.len() * starts.len(), 0);
        for (value, number) in row_major(matrix).zip(symbols[written..].chunks_exact_mut(starts.len())) {
            self.encode(value, classes)?;
            for ((symbol, start), class) in number.iter_mut().zip(starts).zip(&*classes) {
                *symbol = start + i64::from(*class);
            }
        }
        Ok(())
    }

    /// A bound below which all magnitudes can be encoded. It makes [`Self::check`] fast.
    fn reach(&self) -> f64 {
        0.0
    }

    /// Fails if a value cannot be encoded.
    fn check(&self, values: &[f64]) -> Result<(), OutOfRange> {
        let reach = self.reach();
        for value in values {
            // The comparison is also false if the value is NaN.
            let within = value.abs() < reach;
            if !within {
                self.round(*value)?;
            }
        }
        Ok(())
    }

    /// Whether zero has fewer tokens than other numbers, so that sequences of equal shapes differ in length.
    fn is_variable_length(&self) -> bool {
        false
    }
}

/// A value that cannot be encoded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{value:e} cannot be written in {encoding}: {limit}")]
pub struct OutOfRange {
    pub value: f64,
    pub encoding: String,
    /// The range of values that can be encoded, e.g. `magnitudes below 1e9`.
    pub limit: String,
}

/// The largest number of fields: P10 with five digits has a sign, five digits and an exponent.
pub const MAX_FIELDS: usize = 8;

/// Names of the encodings.
pub const NAMES: [&str; 4] = ["P10", "P1000", "B1999", "FP15"];

/// Supported numbers of significant digits.
pub const DIGITS: RangeInclusive<u32> = 2..=5;

/// The number of digits in the paper, used unless a name gives another.
pub const DEFAULT_DIGITS: u32 = 3;

/// The error of a name that is not an encoding.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UnknownEncoding {
    #[error(transparent)]
    Name(#[from] UnknownName),
    #[error("`{0}`: digits are a number from 2 to 5, as in P1000:4")]
    Digits(String),
}

/// Finds an encoding by name. A colon and the number of digits may follow: `P1000:4`.
pub fn named(text: &str) -> Result<Arc<dyn Encoding>, UnknownEncoding> {
    let (name, digits) = split_digits(text)?;
    Ok(match matrix::find("encoding", name, &NAMES, |name| name)? {
        "P10" => Arc::new(Positional::p10(digits)),
        "P1000" => Arc::new(Positional::p1000(digits)),
        "B1999" => Arc::new(B1999::new(digits)),
        _ => Arc::new(Fp15::new(digits)),
    })
}

fn split_digits(text: &str) -> Result<(&str, u32), UnknownEncoding> {
    let Some((name, digits)) = text.split_once(':') else {
        return Ok((text, DEFAULT_DIGITS));
    };
    let digits = digits.parse().ok().filter(|digits| DIGITS.contains(digits));
    Ok((name, digits.ok_or_else(|| UnknownEncoding::Digits(text.to_string()))?))
}

/// Rounds matrices to numbers that have an encoding.
pub fn round_matrices(encoding: &dyn Encoding, matrices: &[Matrix]) -> Result<Vec<Matrix>, OutOfRange> {
    let mut rounded = matrices.to_vec();
    for matrix in &mut rounded {
        encoding.round_all(matrix.as_mut_slice())?;
    }
    Ok(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    /// The words of a number, as in a sequence.
    pub fn written(encoding: &dyn Encoding, value: f64) -> String {
        let mut classes = vec![0; encoding.fields().len()];
        encoding.encode(value, &mut classes).unwrap();
        let mut words: Vec<&str> = encoding
            .fields()
            .iter()
            .zip(&classes)
            .map(|(field, class)| encoding.words()[field.words.start + *class as usize].as_str())
            .collect();
        if encoding.is_variable_length() && classes[1] == 0 {
            words = vec![words[0], words[1], words[words.len() - 1]];
        }
        words.join(" ")
    }

    /// All encodings with all numbers of digits, except FP15 with four or more, which has too many words.
    pub fn all() -> &'static [Arc<dyn Encoding>] {
        static ALL: LazyLock<Vec<Arc<dyn Encoding>>> = LazyLock::new(|| {
            let digits = |name| DIGITS.filter(move |digits| *digits < 4 || name != "FP15");
            let names = NAMES
                .into_iter()
                .flat_map(|name| digits(name).map(move |digits| format!("{name}:{digits}")));
            names.map(|name| named(&name).unwrap()).collect()
        });
        &ALL
    }

    #[test]
    fn shares_have_no_effect_without_a_field_for_the_last_digit() {
        for (encoding, value) in [("B1999", -4.56), ("FP15", 602.0)] {
            let encoding = named(encoding).unwrap();
            let mut classes = vec![0; encoding.fields().len()];
            encoding.encode(value, &mut classes).unwrap();
            assert_eq!(encoding.decode_within(&mut classes, 1.0), value);
        }
    }

    #[test]
    fn unknown_names_and_digits_are_refused_with_what_is_allowed() {
        let text = named("P100").unwrap_err().to_string();
        assert!(
            text.contains("`P100`") && text.contains("P1000") && text.contains("FP15"),
            "{text}"
        );
        for text in ["P1000:9", "P1000:", "P1000:x"] {
            assert!(named(text).unwrap_err().to_string().contains("from 2 to 5"));
        }
        assert_eq!(named("B1999:4").unwrap().digits(), 4);
    }

    #[test]
    fn a_check_passes_if_and_only_if_encoding_does() {
        let values = [
            0.0, 1.0, 8.99e8, 9e8, 9.94e8, 9.96e8, 1e9, 9.9e99, 1e100, 9.994e102, 9.996e102, 1e105, 1e110,
        ];
        for encoding in all() {
            let mut classes = vec![0; encoding.fields().len()];
            let within = encoding.reach().next_down();
            for value in values.into_iter().chain([within, f64::INFINITY, f64::NAN]) {
                for value in [value, -value] {
                    let encoded = encoding.encode(value, &mut classes);
                    assert_eq!(
                        encoding.check(&[value]).is_ok(),
                        encoded.is_ok(),
                        "{value} {encoding:?}"
                    );
                }
            }
            assert!(encoding.encode(within, &mut classes).is_ok());
        }
    }

    #[test]
    fn words_are_distinct_and_fields_lie_within_them() {
        for encoding in all() {
            let mut words = encoding.words().to_vec();
            words.sort();
            words.dedup();
            assert_eq!(words.len(), encoding.words().len(), "{encoding:?}");
            assert!(
                encoding
                    .fields()
                    .iter()
                    .all(|field| field.words.end <= words.len() && !field.words.is_empty())
            );
            let mut order = encoding.prediction_order().to_vec();
            order.sort();
            assert_eq!(order, (0..encoding.fields().len()).collect::<Vec<_>>());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn decoded_numbers_differ_by_at_most_half_a_unit_of_the_last_digit(mantissa in -10.0..10.0f64, exponent in -6..8i32) {
            let value = mantissa * 10f64.powi(exponent);
            for encoding in all() {
                let mut classes = vec![0; encoding.fields().len()];
                encoding.encode(value, &mut classes).unwrap();
                let back = encoding.decode(&classes);
                let digits = encoding.digits() as i32;
                let fixed = if encoding.name() == "FP15" { 10f64.powi(-6 - digits) } else { 0.0 };
                let unit = 10f64.powi(value.abs().log10().floor() as i32 + 1 - digits).max(fixed);
                let name = (encoding.name(), digits);
                prop_assert!((back - value).abs() <= 0.5 * unit * (1.0 + 1e-9), "{name:?}: {value} as {back}");
                let mut again = classes.clone();
                encoding.encode(back, &mut again).unwrap();
                let share = encoding.share_within(value, &mut classes.clone());
                let within = encoding.decode_within(&mut classes.clone(), share);
                let exact = if last_digit(encoding.fields()).is_some() { value } else { back };
                prop_assert!((within - exact).abs() <= 1e-9 * unit, "{name:?}: {value} at {share} of {back}");
                prop_assert!((-1e-9..=1.0 + 1e-9).contains(&share), "{name:?}: {value} at {share} of {back}");
                prop_assert_eq!(again, classes);
                prop_assert_eq!(encoding.round(value).unwrap().to_bits(), back.to_bits(), "{:?}", name);
                prop_assert_eq!(encoding.check(&[value]), Ok(()));
            }
        }

        #[test]
        fn every_tuple_of_classes_is_a_finite_number(seed in any::<u64>()) {
            for encoding in all() {
                let pick = |(i, field): (usize, &Field)| (seed.rotate_left(13 * i as u32) % field.classes() as u64) as u32;
                let classes: Vec<u32> = encoding.fields().iter().enumerate().map(pick).collect();
                prop_assert!(encoding.decode(&classes).is_finite());
            }
        }
    }
}
