//! Values that have several keys in TOML.

use super::sections::Encodings;
use crate::dataset::{Dimensions, InvalidDimensions};
use crate::encoding;
use serde::{Deserialize, Serialize};

/// The TOML keys of [`Encodings`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct EncodingTexts {
    pub input: String,
    pub output: String,
    digits: u32,
    normalize: bool,
}

impl From<Encodings> for EncodingTexts {
    /// An encoding shows its digits if they differ from the common number.
    fn from(encodings: Encodings) -> Self {
        let digits = encodings.digits;
        let short = |text: String| {
            text.strip_suffix(&format!(":{digits}"))
                .map(String::from)
                .unwrap_or(text)
        };
        let output = &encodings.output;
        Self {
            input: short(encodings.input.to_string()),
            output: short(format!("{}:{}", output.name(), output.digits())),
            digits,
            normalize: encodings.normalize,
        }
    }
}

impl TryFrom<EncodingTexts> for Encodings {
    type Error = String;

    fn try_from(texts: EncodingTexts) -> Result<Self, String> {
        let digits = texts.digits;
        let full = |name: &str| {
            if name.contains(':') {
                name.to_string()
            } else {
                format!("{name}:{digits}")
            }
        };
        Ok(Self {
            input: full(&texts.input)
                .parse()
                .map_err(|error| format!("encoding.input: {error}"))?,
            output: encoding::named(&full(&texts.output)).map_err(|error| format!("encoding.output: {error}"))?,
            digits,
            normalize: texts.normalize,
        })
    }
}

/// Sizes as `dim`, or as `rows` and `cols`. Unused keys are empty.
pub mod sizes {
    use super::*;
    use serde::{Deserializer, Serializer, de::Error};

    #[derive(Default, Serialize, Deserialize)]
    struct Sizes {
        dim: String,
        rows: String,
        cols: String,
    }

    pub fn serialize<S: Serializer>(dimensions: &Dimensions, serializer: S) -> Result<S::Ok, S::Error> {
        let sizes = match dimensions {
            Dimensions::Square(extent) => Sizes {
                dim: extent.to_string(),
                ..Sizes::default()
            },
            Dimensions::Rectangular { rows, cols } => Sizes {
                rows: rows.to_string(),
                cols: cols.to_string(),
                ..Sizes::default()
            },
        };
        sizes.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Dimensions, D::Error> {
        let Sizes { dim, rows, cols } = Sizes::deserialize(deserializer)?;
        let [dim, rows, cols] = [&dim, &rows, &cols].map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
        Dimensions::from_parts(dim, rows, cols).map_err(|error: InvalidDimensions| D::Error::custom(error))
    }
}
