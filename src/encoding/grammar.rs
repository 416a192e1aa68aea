//! The legal answers of known shapes, as an automaton of table look-ups, so that Rust and TorchScript run the same one.
//!
//! A sequence is a list of *slots*: a token that is forced (`<s>`, dimensions), or a number. Within a number, states are
//! the fields; a P10 zero goes from its first digit to a state of its own, where only E0 is legal.

use super::vocabulary::{START, dimension_token};
use super::{Encoding, exponent};
use crate::matrix::Shape;

/// The automaton of one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grammar {
    /// `[state][word]`: whether the word is legal.
    allowed: Vec<Vec<bool>>,
    /// `[state][word]`: the state that follows, or -1 when the number is finished.
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

    /// The slots of a sequence of matrices, both `<s>` included: the id of a forced token, or -1 for a number.
    pub fn slots(&self, shapes: &[Shape]) -> Vec<i64> {
        let mut slots = vec![START];
        for shape in shapes {
            slots.extend([dimension_token(shape.rows), dimension_token(shape.cols)]);
            slots.extend(std::iter::repeat_n(-1, shape.count()));
        }
        slots.push(START);
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::vocabulary::{PAD, WORDS};
    use crate::encoding::{Vocabulary, named, tests::all};
    use crate::matrix::Matrix;
    use proptest::prelude::*;

    /// A place in one sequence.
    #[derive(Clone, Debug)]
    struct Cursor<'a> {
        grammar: &'a Grammar,
        slots: &'a [i64],
        slot: usize,
        state: usize,
    }

    impl<'a> Cursor<'a> {
        /// Before the first token of a sequence with these slots.
        fn new(grammar: &'a Grammar, slots: &'a [i64]) -> Self {
            Self {
                grammar,
                slots,
                slot: 0,
                state: 0,
            }
        }

        /// Whether a token is legal here; after the end only padding is.
        fn allows(&self, token: i64) -> bool {
            match self.slots.get(self.slot) {
                None => token == PAD,
                Some(-1) => {
                    let word = usize::try_from(token - WORDS).ok();
                    word.and_then(|word| self.grammar.allowed[self.state].get(word))
                        .copied()
                        .unwrap_or(false)
                }
                Some(forced) => token == *forced,
            }
        }

        /// Goes on after a token; false, without a move, where it is not legal.
        fn advance(&mut self, token: i64) -> bool {
            if !self.allows(token) {
                return false;
            }
            let next = match self.slots.get(self.slot) {
                None => return true,
                Some(-1) => self.grammar.next[self.state][(token - WORDS) as usize],
                Some(_) => -1,
            };
            match usize::try_from(next) {
                Ok(state) => self.state = state,
                Err(_) => (self.slot, self.state) = (self.slot + 1, 0),
            }
            true
        }

        fn is_finished(&self) -> bool {
            self.slot >= self.slots.len()
        }
    }

    const SHAPES: [Shape; 2] = [Shape::new(2, 1), Shape::new(1, 3)];

    #[test]
    fn every_written_sequence_is_legal_to_its_end() {
        for encoding in all() {
            let matrices =
                SHAPES.map(|shape| Matrix::from_fn(shape.rows, shape.cols, |i, j| (i as f64 - j as f64) * 12.345));
            let grammar = Grammar::new(encoding.as_ref());
            let slots = grammar.slots(&SHAPES);
            let mut tokens = Vec::new();
            Vocabulary::new(encoding.clone()).write(&matrices, &mut tokens).unwrap();
            let mut cursor = Cursor::new(&grammar, &slots);
            assert!(tokens.iter().all(|token| cursor.advance(*token)), "{encoding:?}");
            assert!(cursor.is_finished() && cursor.allows(PAD) && !cursor.allows(START));
        }
    }

    #[test]
    fn a_p10_zero_is_followed_by_e0_alone() {
        let p10 = named("P10").unwrap();
        let grammar = Grammar::new(p10.as_ref());
        let id = |word: &str| WORDS + p10.words().iter().position(|w| w == word).unwrap() as i64;
        let mut cursor = Cursor::new(&grammar, &[-1]);
        assert!(cursor.advance(id("+")) && cursor.advance(id("0")));
        assert!(!cursor.allows(id("E1")) && !cursor.allows(id("3")) && cursor.advance(id("E0")));
        assert!(cursor.is_finished());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_walk_through_the_grammar_decodes(mut seed in 1..u64::MAX) {
            for encoding in all().iter().filter(|encoding| encoding.words().len() < 5000) {
                let vocabulary = Vocabulary::new(encoding.clone());
                let grammar = Grammar::new(encoding.as_ref());
                let slots = grammar.slots(&SHAPES);
                let mut cursor = Cursor::new(&grammar, &slots);
                let mut tokens = Vec::new();
                while !cursor.is_finished() {
                    let legal: Vec<i64> = (0..vocabulary.size() as i64).filter(|token| cursor.allows(*token)).collect();
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let token = legal[(seed >> 33) as usize % legal.len()];
                    prop_assert!(cursor.advance(token));
                    tokens.push(token);
                }
                let matrices = vocabulary.read(&tokens, &SHAPES).unwrap();
                prop_assert!(matrices.iter().flatten().all(|value| value.is_finite()));
            }
        }
    }
}
