//! Numbers as tokens: P10, P1000, B1999 and FP15 of Charton (arXiv 2112.01898, section 2.1), with any precision.
//!
//! A number is a fixed tuple of *classes*, one per [`Field`]; a sequence writes each class as one token. Only P10's zero
//! is written shorter (`+ 0 E0`). Classes are what a parallel decoder predicts, tokens what an autoregressive one writes.

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

/// What a field says of the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Sign,
    /// Digits of the mantissa; the field `leading` holds its most significant digits.
    Mantissa {
        leading: bool,
    },
    /// Mantissa with its sign.
    SignedMantissa,
    Exponent,
    /// The whole number.
    Float,
}

impl Part {
    /// Whether larger classes are larger magnitudes, where all that is predicted before is the same.
    pub fn is_magnitude(self) -> bool {
        matches!(self, Self::Mantissa { .. })
    }
}

/// The field of a magnitude's last digits; none where they share a field with the sign or the exponent.
pub fn last_digit(fields: &[Field]) -> Option<usize> {
    fields.iter().rposition(|field| field.part.is_magnitude())
}

/// One of the symbols that write a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name in losses and parameters: `sign`, `mantissa`, `mantissa2`, `exponent`.
    pub name: String,
    pub part: Part,
    /// The words of the classes, as a range of [`Encoding::words`]: class `c` is the word `words.start + c`.
    pub words: Range<usize>,
}

impl Field {
    pub fn classes(&self) -> usize {
        self.words.len()
    }
}

/// A way to write real numbers with a finite set of words.
pub trait Encoding: std::fmt::Debug + Send + Sync {
    /// `P1000`
    fn name(&self) -> &'static str;

    /// Significant decimal digits of the mantissa; the paper has 3.
    fn digits(&self) -> u32;

    /// Every word, each once, in the order of its id.
    fn words(&self) -> &[String];

    /// The fields of a number, in the order in which they are written.
    fn fields(&self) -> &[Field];

    /// The order in which a parallel decoder predicts the fields, each knowing those before: indices into `fields`.
    /// Coarse to fine: sign, exponent, mantissa.
    fn prediction_order(&self) -> &[usize];

    /// The classes of a number (`classes.len() == fields().len()`), rounded to nearest.
    fn encode(&self, value: f64, classes: &mut [u32]) -> Result<(), OutOfRange>;

    /// The number that classes stand for; every tuple of valid classes stands for one.
    fn decode(&self, classes: &[u32]) -> f64;

    /// The number at a share of those that these classes are written for: 0.5 is [`Self::decode`], 0 and 1 are half a unit of the last digit
    /// nearer to zero and farther from it. Zero stays, and so do numbers whose [last digit](last_digit) is in no field of its own.
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

    /// The share at which [`Self::decode_within`] gives a number back of the classes that it is [encoded](Self::encode) as; 0.5 where it
    /// gives one number at all shares.
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

    /// Appends the [share](Self::share_within) of every coefficient of a matrix, in reading order; `symbols` are what [`Self::write`]
    /// appends for it with starts of zero.
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

    /// The number that is read where this one was written: [`Self::decode`] of [`Self::encode`].
    fn round(&self, value: f64) -> Result<f64, OutOfRange> {
        let mut classes = [0; MAX_FIELDS];
        let classes = &mut classes[..self.fields().len()];
        self.encode(value, classes)?;
        Ok(self.decode(classes))
    }

    /// [`Self::round`] of every number, in place. Provided loops like this one know their encoding, so that nothing is looked up
    /// for single numbers.
    fn round_all(&self, values: &mut [f64]) -> Result<(), OutOfRange> {
        for value in values {
            *value = self.round(*value)?;
        }
        Ok(())
    }

    /// Appends the classes of the coefficients of a matrix in reading order, each added to the start of its field.
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

    /// A bound below which every magnitude can be written, so that most numbers need not be encoded to know it.
    fn reach(&self) -> f64 {
        0.0
    }

    /// Whether numbers can be written.
    fn check(&self, values: &[f64]) -> Result<(), OutOfRange> {
        let reach = self.reach();
        for value in values {
            // False also where the value is not a number.
            let within = value.abs() < reach;
            if !within {
                self.round(*value)?;
            }
        }
        Ok(())
    }

    /// Whether a zero is written shorter than other numbers, so that sequences of one shape differ in length.
    fn is_variable_length(&self) -> bool {
        false
    }
}

/// A value that an encoding cannot write.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{value:e} cannot be written in {encoding}: {limit}")]
pub struct OutOfRange {
    pub value: f64,
    pub encoding: String,
    /// What is allowed, e.g. `magnitudes below 1e9`.
    pub limit: String,
}

/// P10 with five digits has the most: sign, digits, exponent.
pub const MAX_FIELDS: usize = 8;

/// Names of the encodings.
pub const NAMES: [&str; 4] = ["P10", "P1000", "B1999", "FP15"];

/// Significant digits that an encoding can be asked for.
pub const DIGITS: RangeInclusive<u32> = 2..=5;

/// Digits where none are asked for: those of the paper.
pub const DEFAULT_DIGITS: u32 = 3;

/// Why a name is no encoding.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UnknownEncoding {
    #[error(transparent)]
    Name(#[from] UnknownName),
    #[error("`{0}`: digits are a number from 2 to 5, as in P1000:4")]
    Digits(String),
}

/// The encoding of a name, with three digits or as many as stand after a colon: `P1000:4`.
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

/// Matrices as an encoding writes them.
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

    /// The words of a number, as a sequence writes them.
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

    /// Every encoding with every number of digits, but for FP15, whose words are too many with four and more.
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
    fn numbers_without_a_digit_of_their_own_stay_where_they_are() {
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
    fn checks_agree_with_encoding_within_and_beyond_the_reach() {
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
        fn numbers_come_back_within_half_a_unit_of_the_last_digit(mantissa in -10.0..10.0f64, exponent in -6..8i32) {
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
