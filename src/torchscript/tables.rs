//! Tables that the scripts look up: where a field's words begin, and which field a word fills.

use crate::encoding::{Encoding, Field, Grammar, Part};
use anyhow::{Result, bail};
use tch::Tensor;

/// `[states][words]`: the field that a word fills; 0 where the word is not allowed.
pub(super) fn filled_fields(grammar: &Grammar, fields: &[Field]) -> Result<Vec<Vec<i64>>> {
    let (allowed, next) = (grammar.allowed(), grammar.next());
    let mut filled: Vec<_> = allowed.iter().map(|words| vec![0; words.len()]).collect();
    // The field that each reached state expects first.
    let mut expected = vec![None; grammar.states()];
    let mut open = vec![(0, 0)];
    while let Some((state, first)) = open.pop() {
        if let Some(before) = expected[state] {
            if before != first {
                bail!("state {state} of the grammar expects both field {before} and field {first}");
            }
            continue;
        }
        expected[state] = Some(first);
        for word in (0..allowed[state].len()).filter(|&word| allowed[state][word]) {
            let Some(field) = (first..fields.len()).find(|&field| fields[field].words.contains(&word)) else {
                bail!("word {word} fills no field in state {state} of the grammar");
            };
            filled[state][word] = field as i64;
            if let Ok(following) = usize::try_from(next[state][word]) {
                open.push((following, field + 1));
            }
        }
    }
    Ok(filled)
}

/// The first word of every field: `[fields]`.
pub(super) fn starts(encoding: &dyn Encoding) -> Tensor {
    integers(encoding.fields().iter().map(|field| field.words.start))
}

/// Which fields a zero has: `[fields]`, all where it is not shorter.
pub(super) fn short(encoding: &dyn Encoding) -> Tensor {
    let is_written = |field: &Field| !encoding.is_variable_length() || field.part != Part::Mantissa { leading: false };
    Tensor::from_slice(&encoding.fields().iter().map(is_written).collect::<Vec<_>>())
}

pub(super) fn integers(values: impl Iterator<Item = usize>) -> Tensor {
    Tensor::from_slice(&values.map(|value| value as i64).collect::<Vec<_>>())
}

/// `[rows, cols]` of rows of one length.
pub(super) fn table<T: tch::kind::Element + Copy>(rows: &[Vec<T>]) -> Tensor {
    let width = rows.first().map_or(0, Vec::len) as i64;
    Tensor::from_slice(&rows.concat()).reshape([rows.len() as i64, width])
}
