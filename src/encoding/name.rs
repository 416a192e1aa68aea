//! Encodings by name: `P1000`, `P1000:4`.

use super::{Encoding, REGISTRY};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The names that [`named`] knows.
pub const NAMES: [&str; REGISTRY.len()] = {
    let mut names = [""; REGISTRY.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = REGISTRY[i].0;
        i += 1;
    }
    names
};

/// Significant digits that can be asked for.
pub const DIGITS: RangeInclusive<u32> = 2..=5;

/// Significant digits of a name that has none, as in the paper.
const DEFAULT_DIGITS: u32 = 3;

/// The encoding of a name, with digits after a colon where they are not 3: `P10`, `P1000:4`.
pub fn named(name: &str) -> Result<Arc<dyn Encoding>, InvalidName> {
    let (family, digits) = split(name)?;
    match REGISTRY.iter().find(|(known, _)| *known == family) {
        Some((_, make)) => Ok(make(digits)),
        None => Err(InvalidName::unknown(family, &NAMES)),
    }
}

/// Name and digits of `P1000:4`.
pub(super) fn split(name: &str) -> Result<(&str, u32), InvalidName> {
    let Some((family, digits)) = name.split_once(':') else {
        return Ok((name, DEFAULT_DIGITS));
    };
    match digits.parse() {
        Ok(number) if DIGITS.contains(&number) => Ok((family, number)),
        _ => Err(InvalidName::Digits {
            name: name.into(),
            digits: digits.into(),
            family: family.into(),
        }),
    }
}

/// A name that is no encoding's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error(
        "there is no encoding {name:?}{}; choose {known}, with digits after a colon if not 3: P1000:4",
        hint(nearest)
    )]
    Unknown {
        name: String,
        known: String,
        nearest: Option<String>,
    },
    #[error("{name:?} asks for {digits:?} significant digits; {} to {} can be had: {family}:4", DIGITS.start(), DIGITS.end())]
    Digits {
        name: String,
        digits: String,
        family: String,
    },
}

impl InvalidName {
    /// The error for a name that is not among the known ones.
    pub(super) fn unknown(name: &str, known: &[&str]) -> Self {
        let distance = |known: &str| strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase());
        let nearest = known
            .iter()
            .min_by_key(|known| distance(known))
            .filter(|known| distance(known) <= 2);
        let known_text = match known {
            [head @ .., last] if !head.is_empty() => format!("{} or {last}", head.join(", ")),
            _ => known.concat(),
        };
        Self::Unknown {
            name: name.into(),
            known: known_text,
            nearest: nearest.map(|&nearest| nearest.into()),
        }
    }
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|nearest| format!(" (did you mean {nearest}?)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &str) -> String {
        named(name).unwrap_err().to_string()
    }

    #[test]
    fn names_have_three_digits_or_those_after_the_colon() {
        for name in NAMES {
            assert_eq!((named(name).unwrap().name(), named(name).unwrap().digits()), (name, 3));
            for digits in DIGITS {
                let canonical = format!("{name}:{digits}");
                assert_eq!(named(&canonical).unwrap().to_string(), canonical);
            }
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_nearest() {
        let choose = "choose P10, P1000, B1999 or FP15, with digits after a colon if not 3: P1000:4";
        assert_eq!(
            error("p100"),
            format!("there is no encoding \"p100\" (did you mean P10?); {choose}")
        );
        assert_eq!(
            error("fp15"),
            format!("there is no encoding \"fp15\" (did you mean FP15?); {choose}")
        );
        assert_eq!(
            error("hexadecimal:3"),
            format!("there is no encoding \"hexadecimal\"; {choose}")
        );
    }

    #[test]
    fn digits_out_of_range_are_answered_with_the_range() {
        assert_eq!(
            error("P10:9"),
            "\"P10:9\" asks for \"9\" significant digits; 2 to 5 can be had: P10:4"
        );
        assert_eq!(
            error("FP15:"),
            "\"FP15:\" asks for \"\" significant digits; 2 to 5 can be had: FP15:4"
        );
        assert_eq!(
            error("FP15:-3"),
            "\"FP15:-3\" asks for \"-3\" significant digits; 2 to 5 can be had: FP15:4"
        );
    }
}
