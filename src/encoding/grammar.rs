//! The grammar of legal answers as an automaton of table look-ups, which TorchScript runs.
//!
//! The states within a number are its fields. P10 has one more state after the first digit of a zero, in which only E0
//! is legal.

use super::{Encoding, exponent};

/// The automaton of one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grammar {
    /// `[state][word]`: whether the word is legal.
    allowed: Vec<Vec<bool>>,
    /// `[state][word]`: the next state, or -1 at the end of the number.
    next: Vec<Vec<i64>>,
}

impl Grammar {
    pub fn new(encoding: &dyn Encoding) -> Self {
        let (fields, words) = (encoding.fields(), encoding.words().len());
        let mut allowed: Vec<Vec<bool>> = fields
            .iter()
            .map(|field| (0..words).map(|word| field.words.contains(&word)).collect())
            .collect();
        let following = |state: usize| {
            if state + 1 == fields.len() {
                -1
            } else {
                state as i64 + 1
            }
        };
        let mut next: Vec<Vec<i64>> = (0..fields.len()).map(|state| vec![following(state); words]).collect();
        if encoding.is_variable_length() {
            let exponents = &fields[fields.len() - 1].words;
            let zero = fields.len() as i64;
            next[1][fields[1].words.start] = zero;
            let e0 = exponents.start + exponent::class(0) as usize;
            allowed.push((0..words).map(|word| word == e0).collect());
            next.push(vec![-1; words]);
        }
        Self { allowed, next }
    }

    pub fn states(&self) -> usize {
        self.allowed.len()
    }

    pub fn allowed(&self) -> &[Vec<bool>] {
        &self.allowed
    }

    pub fn next(&self) -> &[Vec<i64>] {
        &self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::named;
    use crate::encoding::tests::{all, written};
    use proptest::prelude::*;

    /// The state after some words of one number; -1 at its end, and `None` if a word is illegal.
    fn state_after(encoding: &dyn Encoding, words: &str) -> Option<i64> {
        let grammar = Grammar::new(encoding);
        words.split(' ').try_fold(0, |state, word| {
            let word = encoding.words().iter().position(|known| known == word)?;
            let state = usize::try_from(state).ok()?;
            grammar.allowed[state][word].then(|| grammar.next[state][word])
        })
    }

    #[test]
    fn the_words_of_every_number_are_legal_to_its_end() {
        for encoding in all() {
            for value in [0.0, -0.01, 12.345, -24.69, 1e5] {
                let words = written(encoding.as_ref(), value);
                assert_eq!(state_after(encoding.as_ref(), &words), Some(-1), "{words} {encoding:?}");
            }
        }
    }

    #[test]
    fn a_p10_zero_is_followed_by_e0_alone() {
        let p10 = named("P10").unwrap();
        assert_eq!(state_after(p10.as_ref(), "+ 0 E0"), Some(-1));
        for words in ["+ 0 E1", "+ 0 3", "+ 0 E0 +"] {
            assert_eq!(state_after(p10.as_ref(), words), None, "{words}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_walk_through_the_grammar_decodes(mut seed in 1..u64::MAX) {
            for encoding in all().iter().filter(|encoding| encoding.words().len() < 5000) {
                let (grammar, fields) = (Grammar::new(encoding.as_ref()), encoding.fields());
                let mut classes = vec![0; fields.len()];
                let mut state = 0;
                while let Ok(at) = usize::try_from(state) {
                    let legal: Vec<usize> = (0..encoding.words().len()).filter(|word| grammar.allowed[at][*word]).collect();
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let word = legal[(seed >> 33) as usize % legal.len()];
                    // The extra state of a zero stands for the exponent, the last field.
                    let field = at.min(fields.len() - 1);
                    prop_assert!(fields[field].words.contains(&word));
                    classes[field] = (word - fields[field].words.start) as u32;
                    state = grammar.next[at][word];
                }
                prop_assert!(encoding.decode(&classes).is_finite());
            }
        }
    }
}
