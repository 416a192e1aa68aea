//! Names that users write: looked up in a list, with the nearest one suggested.

use std::fmt;

/// A name that is in no list, with those that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What is named: `problem`, `spectrum`.
    pub kind: &'static str,
    pub name: String,
    pub allowed: Vec<&'static str>,
}

impl UnknownName {
    /// The allowed name that looks most like the one given, where one does.
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

/// Finds the member of a family by its name.
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

/// Serializes a type as its text form, through `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_suggests_the_nearest_and_lists_all() {
        let error = find("fruit", "aple", &["pear", "apple"], |name| name).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown fruit `aple`: did you mean `apple`? Allowed: pear, apple"
        );
    }

    #[test]
    fn a_name_like_none_suggests_nothing() {
        let error = find("fruit", "zzz", &["pear", "apple"], |name| name).unwrap_err();
        assert_eq!(error.to_string(), "unknown fruit `zzz`: Allowed: pear, apple");
    }
}
