//! Lookup of names that users write; an error suggests the nearest name.

use std::fmt;

/// A name that is not in the list of allowed names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The kind of thing that is named: `problem`, `spectrum`.
    pub kind: &'static str,
    pub name: String,
    pub allowed: Vec<&'static str>,
}

impl UnknownName {
    /// The most similar allowed name, if one is similar enough.
    pub fn nearest(&self) -> Option<&'static str> {
        const ALIKE: f64 = 0.75;
        let written = self.name.to_lowercase();
        self.allowed
            .iter()
            .map(|name| (strsim::jaro_winkler(name, &written), *name))
            .filter(|(score, _)| *score >= ALIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name)
    }
}

/// ``unknown problem `eigenvalue`: did you mean `eigenvalues`? Allowed: transpose, add, …``
impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} `{}`: ", self.kind, self.name)?;
        if let Some(name) = self.nearest() {
            write!(f, "did you mean `{name}`? ")?;
        }
        write!(f, "Allowed: {}", self.allowed.join(", "))
    }
}

impl std::error::Error for UnknownName {}

/// Finds a member of a family by its name.
pub(crate) fn find<T: Copy>(
    kind: &'static str,
    name: &str,
    family: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<T, UnknownName> {
    family
        .iter()
        .copied()
        .find(|member| name_of(*member) == name)
        .ok_or_else(|| UnknownName {
            kind,
            name: name.to_owned(),
            allowed: family.iter().map(|member| name_of(*member)).collect(),
        })
}

/// Implements names, text form and the list of all members for an enum that derives strum's `Display`, `EnumCount`,
/// `IntoStaticStr` and `VariantArray`.
macro_rules! named_by_text {
    ($name:ty, $kind:literal) => {
        impl $name {
            pub const ALL: [Self; <Self as strum::EnumCount>::COUNT] =
                *<Self as strum::VariantArray>::VARIANTS.as_array().unwrap();

            pub fn name(self) -> &'static str {
                self.into()
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::matrix::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                crate::matrix::find($kind, text, &Self::ALL, Self::name)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use named_by_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_suggests_the_nearest_if_any_and_lists_all() {
        let message = |name| {
            find("fruit", name, &["pear", "apple"], |name| name)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message("aple"),
            "unknown fruit `aple`: did you mean `apple`? Allowed: pear, apple"
        );
        assert_eq!(message("zzz"), "unknown fruit `zzz`: Allowed: pear, apple");
    }
}
