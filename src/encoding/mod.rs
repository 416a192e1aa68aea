//! Numbers as tokens: P10, P1000, B1999 and FP15 of Charton (arXiv 2112.01898, section 2.1), with any precision.
//!
//! A number is a fixed tuple of *classes*, one per [`Field`]; a sequence writes each class as one token. Only P10's zero
//! is written shorter (`+ 0 E0`). Classes are what a parallel decoder predicts, tokens what an autoregressive one writes.

mod b1999;
mod ceiling;
pub mod decimal;
mod fp15;
mod grammar;
mod input;
mod layout;
mod name;
mod p10;
mod p1000;
mod positional;
mod scientific;
mod vocabulary;

#[cfg(test)]
mod property;
#[cfg(test)]
mod testing;

pub use ceiling::round_matrices;
pub use grammar::{Cursor, Grammar};
pub use input::Input;
pub use layout::Layout;
pub use name::{DIGITS, InvalidName, NAMES, named};
pub use vocabulary::{PAD, START, Unexpected, Vocabulary, WORDS, WriteError};

use std::ops::Range;
use std::sync::Arc;

type Make = fn(u32) -> Arc<dyn Encoding>;

/// The encodings, one line each: a name and how it is made for a number of digits.
const REGISTRY: [(&str, Make); 4] = [
    ("P10", |digits| Arc::new(p10::new(digits))),
    ("P1000", |digits| Arc::new(p1000::new(digits))),
    ("B1999", |digits| Arc::new(b1999::B1999::new(digits))),
    ("FP15", |digits| Arc::new(fp15::FP15::new(digits))),
];

/// The most fields that a number has in any encoding: P10 with five digits has seven.
pub const MAX_FIELDS: usize = 8;

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

/// One of the symbols that write a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name in losses and parameters: `sign`, `mantissa`, `mantissa2`, `exponent`; `digit1` … in P10, `float` in FP15.
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

    /// Every word, each once, in the order of its id. Every word is one of a field's, and fields may share words.
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

    /// Whether a zero is written shorter than other numbers, so that sequences of one shape differ in length.
    fn is_variable_length(&self) -> bool {
        false
    }
}

/// The name with its digits, as [`named`] takes it: `P1000:3`.
impl std::fmt::Display for dyn Encoding + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name(), self.digits())
    }
}

/// A value that an encoding cannot write.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{value:e} cannot be written in {encoding}: {limit}")]
pub struct OutOfRange {
    pub value: f64,
    pub encoding: String,
    /// What is allowed, e.g. `finite numbers up to 9.99e8 can`.
    pub limit: String,
}
