//! What a model reads: tokens, or the numbers themselves.

use super::{Encoding, OutOfRange, Positional, UnknownEncoding, named, split_digits};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The source side of a model.
#[derive(Clone, Debug)]
pub enum Input {
    /// One position per token.
    Tokens(Arc<dyn Encoding>),
    /// One position per coefficient, which is the number rounded to so many significant digits.
    Values { digits: u32, reading: InputLayout },
}

/// The coefficients that a model of values reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum InputLayout {
    /// All of them.
    #[strum(serialize = "values")]
    Whole,
    /// Those on or below the diagonal, which are all that a symmetric matrix has.
    Triangle,
    /// The diagonal and what is right above it: of the condensed form of an inverse, which has no others.
    Condensed,
}

impl InputLayout {
    /// Whether the coefficient of a row and a column is read.
    pub fn has(self, row: i64, column: i64) -> bool {
        match self {
            Self::Whole => true,
            Self::Triangle => column <= row,
            Self::Condensed => column == row || column == row + 1,
        }
    }
}

impl Input {
    /// Values from here on have features that fp32 does not hold.
    pub const LARGEST_VALUE: f64 = 1e18;

    /// Fails where a number cannot be read: tokens have limits of their own.
    pub fn check(&self, x: f64) -> Result<(), OutOfRange> {
        match self {
            Self::Values { .. } if x.abs() >= Self::LARGEST_VALUE => Err(OutOfRange {
                value: x,
                encoding: self.to_string(),
                limit: "magnitudes below 1e18".into(),
            }),
            _ => Ok(()),
        }
    }

    /// The encoding that operands are rounded through before the model sees them.
    pub fn rounding(&self) -> Arc<dyn Encoding> {
        match self {
            Self::Tokens(encoding) => encoding.clone(),
            Self::Values { digits, .. } => Arc::new(Positional::p1000(*digits)),
        }
    }
}

/// `P1000:3`, `values:4`, `triangle:3`, `condensed:3`
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens(encoding) => write!(f, "{}:{}", encoding.name(), encoding.digits()),
            Self::Values { digits, reading } => write!(f, "{reading}:{digits}"),
        }
    }
}

impl FromStr for Input {
    type Err = UnknownInput;

    fn from_str(text: &str) -> Result<Self, UnknownInput> {
        let (name, digits) = split_digits(text)?;
        match name.parse() {
            Ok(reading) => Ok(Self::Values { digits, reading }),
            Err(_) => Ok(Self::Tokens(named(text)?)),
        }
    }
}

/// Why a name is no input.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{0}, or values for one position per coefficient, or triangle for one per coefficient of half a symmetric matrix, or \
     condensed for those of its condensed form"
)]
pub struct UnknownInput(#[from] UnknownEncoding);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for name in [
            "values:3",
            "values:5",
            "triangle:3",
            "condensed:3",
            "P10:3",
            "P1000:4",
            "B1999:3",
            "FP15:3",
        ] {
            assert_eq!(name.parse::<Input>().unwrap().to_string(), name);
        }
        assert_eq!("values".parse::<Input>().unwrap().to_string(), "values:3");
        assert!("value".parse::<Input>().unwrap_err().to_string().contains("or values"));
    }
}
