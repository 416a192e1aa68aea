//! What tests of encodings share.

use super::{Encoding, OutOfRange, Vocabulary, named};
use crate::matrix::Matrix;
use std::sync::Arc;

/// The words of a number, separated by blanks.
pub(super) fn text(name: &str, value: f64) -> String {
    let vocabulary = Vocabulary::new(named(name).unwrap());
    let matrix = Matrix::from_element(1, 1, value);
    vocabulary.words_of_matrix(&matrix).unwrap()[2..].join(" ")
}

/// The error for a number that has no words.
pub(super) fn error(name: &str, value: f64) -> String {
    encode(named(name).unwrap().as_ref(), value).unwrap_err().to_string()
}

pub(super) fn encode(encoding: &dyn Encoding, value: f64) -> Result<Vec<u32>, OutOfRange> {
    let mut classes = vec![0; encoding.fields().len()];
    encoding.encode(value, &mut classes)?;
    Ok(classes)
}

/// Every encoding with 2 to 5 digits.
pub(super) fn all() -> Vec<Arc<dyn Encoding>> {
    let names = super::NAMES
        .iter()
        .flat_map(|name| super::DIGITS.map(move |digits| format!("{name}:{digits}")));
    names.map(|name| named(&name).unwrap()).collect()
}
