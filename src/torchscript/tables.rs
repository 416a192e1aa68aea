//! Tables that the scripts look up: which word follows which, and where a field's words begin.

use crate::encoding::{Encoding, Field, Part};
use anyhow::{Result, bail};
use tch::Tensor;

/// Which words may follow within a number. State 0 begins one.
#[derive(Debug)]
pub struct Grammar {
    /// `[states][words]`
    pub allowed: Vec<Vec<bool>>,
    /// `[states][words]`: the state after a word, or -1 where the number is complete or the word is not allowed.
    pub next: Vec<Vec<i64>>,
}

impl Grammar {
    /// `[states][words]`: the field that a word fills; 0 where the word is not allowed.
    pub(super) fn fields(&self, fields: &[Field]) -> Result<Vec<Vec<i64>>> {
        let mut filled = vec![vec![0; self.allowed.first().map_or(0, Vec::len)]; self.allowed.len()];
        // The field that each reached state expects first.
        let mut expected = vec![None; self.allowed.len()];
        let mut open = vec![(0, 0)];
        while let Some((state, first)) = open.pop() {
            if let Some(before) = expected[state] {
                if before != first {
                    bail!("state {state} of the grammar expects both field {before} and field {first}");
                }
                continue;
            }
            expected[state] = Some(first);
            for word in (0..self.allowed[state].len()).filter(|&word| self.allowed[state][word]) {
                let Some(field) = (first..fields.len()).find(|&field| fields[field].words.contains(&word)) else {
                    bail!("word {word} fills no field in state {state} of the grammar");
                };
                filled[state][word] = field as i64;
                if let Ok(following) = usize::try_from(self.next[state][word]) {
                    open.push((following, field + 1));
                }
            }
        }
        Ok(filled)
    }
}

/// Whether a field is written where a zero is written shorter.
pub(super) fn is_in_short(field: &Field) -> bool {
    field.part != Part::Mantissa { leading: false }
}

/// The first word of every field: `[fields]`.
pub(super) fn starts(encoding: &dyn Encoding) -> Tensor {
    integers(encoding.fields().iter().map(|field| field.words.start))
}

/// Which fields a zero has: `[fields]`, all where it is not shorter.
pub(super) fn short(encoding: &dyn Encoding) -> Tensor {
    let fields = encoding.fields().iter();
    Tensor::from_slice(
        &fields
            .map(|field| !encoding.is_variable_length() || is_in_short(field))
            .collect::<Vec<_>>(),
    )
}

pub(super) fn integers(values: impl Iterator<Item = usize>) -> Tensor {
    Tensor::from_slice(&values.map(|value| value as i64).collect::<Vec<_>>())
}

/// `[rows, cols]` of rows of one length.
pub(super) fn table<T: tch::kind::Element + Copy>(rows: &[Vec<T>]) -> Tensor {
    let width = rows.first().map_or(0, Vec::len) as i64;
    Tensor::from_slice(&rows.concat()).reshape([rows.len() as i64, width])
}
