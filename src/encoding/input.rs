//! The input of a model: tokens, or the numbers themselves.

use super::{Encoding, OutOfRange, Positional, UnknownEncoding, named, split_digits};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The input of a model.
#[derive(Clone, Debug)]
pub enum Input {
    /// One position per token of this encoding.
    Tokens(Arc<dyn Encoding>),
    /// One position per coefficient, whose value is rounded to `digits` significant digits.
    Values { digits: u32, reading: InputLayout },
}

/// The coefficients that a model with value input reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum InputLayout {
    /// All coefficients.
    #[strum(serialize = "values")]
    Whole,
    /// The coefficients on or below the diagonal, which determine a symmetric matrix.
    Triangle,
    /// The diagonal and the superdiagonal. They hold all nonzero coefficients of an inverse problem's condensed form.
    Condensed,
}

impl InputLayout {
    /// Whether the coefficient at this row and column (from 1) is read.
    pub fn has(self, row: i64, column: i64) -> bool {
        match self {
            Self::Whole => true,
            Self::Triangle => column <= row,
            Self::Condensed => column == row || column == row + 1,
        }
    }
}

impl Input {
    /// The smallest magnitude whose features overflow in float32.
    pub const LARGEST_VALUE: f64 = 1e18;

    /// Fails if a number is too large for the input. Token encodings have limits of their own.
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

    /// The encoding that rounds operands before the model reads them.
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

/// The error of a name that is not an input.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{0}, or values (one position per coefficient), triangle (one per coefficient of half a symmetric matrix) or \
     condensed (one per coefficient of the condensed form)"
)]
pub struct UnknownInput(#[from] UnknownEncoding);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_parse_as_they_print() {
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

    #[test]
    fn values_that_overflow_in_float32_are_refused() {
        let input: Input = "values:3".parse().unwrap();
        assert!(input.check(-9.9e17).is_ok());
        assert!(
            input
                .check(-1e18)
                .unwrap_err()
                .to_string()
                .contains("magnitudes below 1e18")
        );
        let tokens: Input = "P1000:3".parse().unwrap();
        assert!(tokens.check(1e18).is_ok(), "tokens have limits of their own");
    }
}
