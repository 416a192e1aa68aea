//! What a model reads: tokens of an encoding, or the numbers themselves.

use super::name::{self, InvalidName, NAMES};
use super::{Encoding, named, p1000};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How operands are presented to a model.
#[derive(Clone, Debug)]
pub enum Input {
    /// `P1000`, `FP15:4`: the tokens of an encoding.
    Tokens(Arc<dyn Encoding>),
    /// `values`, `values:4`: one position per coefficient, the number itself, rounded to significant decimal digits.
    Values { digits: u32 },
}

const VALUES: &str = "values";

impl Input {
    /// The encoding that operands are rounded with: of the tokens, or P1000 of as many digits for values.
    pub fn rounding(&self) -> Arc<dyn Encoding> {
        match self {
            Self::Tokens(encoding) => encoding.clone(),
            Self::Values { digits } => Arc::new(p1000::new(*digits)),
        }
    }
}

impl FromStr for Input {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (family, digits) = name::split(text)?;
        if family == VALUES {
            return Ok(Self::Values { digits });
        }
        named(text).map(Self::Tokens).map_err(|error| match error {
            InvalidName::Unknown { .. } => InvalidName::unknown(family, &[&[VALUES], &NAMES[..]].concat()),
            error => error,
        })
    }
}

/// The name with its digits, which parses to the same input: `P1000:3`, `values:3`.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens(encoding) => encoding.fmt(f),
            Self::Values { digits } => write!(f, "{VALUES}:{digits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<Input>().unwrap().to_string()
    }

    #[test]
    fn displays_the_canonical_name() {
        assert_eq!(canonical("values"), "values:3");
        assert_eq!(canonical("values:4"), "values:4");
        assert_eq!(canonical("P1000"), "P1000:3");
        assert_eq!(canonical("FP15:4"), "FP15:4");
    }

    #[test]
    fn values_are_rounded_to_their_digits() {
        let rounding = "values:4".parse::<Input>().unwrap().rounding();
        assert_eq!(rounding.to_string(), "P1000:4");
        assert_eq!("B1999:2".parse::<Input>().unwrap().rounding().to_string(), "B1999:2");
    }

    #[test]
    fn errors_list_the_values_too() {
        let error = |text: &str| text.parse::<Input>().unwrap_err().to_string();
        assert_eq!(
            error("value"),
            "there is no encoding \"value\" (did you mean values?); \
             choose values, P10, P1000, B1999 or FP15, with digits after a colon if not 3: P1000:4"
        );
        assert!(error("values:1").contains("2 to 5"));
        assert!(error("P10:x").contains("\"x\""));
    }
}
