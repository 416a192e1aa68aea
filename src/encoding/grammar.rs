//! The legal sequences of an output whose shapes are known, as tables that Rust and TorchScript look up.
//!
//! A sequence is a list of *slots*. Most tokens are forced: `<s>`, `V<rows>`, `V<cols>`; the others are numbers, one slot
//! each. Within a number a state says which field comes next.

use super::vocabulary::{PAD, START, WORDS, dimension_id};
use super::{Encoding, Part};
use crate::matrix::Shape;

/// Which words may follow within a number. State `s` waits for field `s`; state 0 begins a number. Where a zero is written
/// shorter, one more state follows a leading digit 0 and waits for `E0`.
#[derive(Clone, Debug)]
pub struct Grammar {
    allowed: Vec<Vec<bool>>,
    next: Vec<Vec<i64>>,
    fields: Vec<usize>,
}

impl Grammar {
    /// In [`Grammar::next`]: the number is finished, or the word is not allowed.
    pub const FINISHED: i64 = -1;
    /// In [`Grammar::slots`]: a number.
    pub const NUMBER: i64 = -1;

    pub fn new(encoding: &dyn Encoding) -> Self {
        let count = encoding.fields().len();
        let words = encoding.words().len();
        let mut grammar = Self {
            allowed: Vec::new(),
            next: Vec::new(),
            fields: (0..count).collect(),
        };
        for (state, field) in encoding.fields().iter().enumerate() {
            let following = if state + 1 < count {
                state as i64 + 1
            } else {
                Self::FINISHED
            };
            let mut next = vec![Self::FINISHED; words];
            next[field.words.clone()].fill(following);
            grammar
                .allowed
                .push((0..words).map(|word| field.words.contains(&word)).collect());
            grammar.next.push(next);
        }
        if encoding.is_variable_length() {
            grammar.shorten_zero(encoding);
        }
        grammar
    }

    /// Leads from a leading digit 0 to the exponent of zero.
    fn shorten_zero(&mut self, encoding: &dyn Encoding) {
        let position = |part| encoding.fields().iter().position(|field| field.part == part);
        let (Some(leading), Some(exponent)) = (position(Part::Mantissa { leading: true }), position(Part::Exponent))
        else {
            return;
        };
        let state = self.states();
        self.next[leading][encoding.fields()[leading].words.start] = state as i64;
        let words = encoding.words();
        self.allowed.push(words.iter().map(|word| word == "E0").collect());
        self.next.push(vec![Self::FINISHED; words.len()]);
        self.fields.push(exponent);
    }

    pub fn states(&self) -> usize {
        self.allowed.len()
    }

    /// `[states][words]`
    pub fn allowed(&self) -> &[Vec<bool>] {
        &self.allowed
    }

    /// `[states][words]`: the state after a word, or [`Grammar::FINISHED`].
    pub fn next(&self) -> &[Vec<i64>] {
        &self.next
    }

    /// The field that a state waits for.
    pub fn field(&self, state: usize) -> usize {
        self.fields[state]
    }

    /// The slots of a sequence: the id of the token that is forced, or [`Grammar::NUMBER`]. After them only padding is legal.
    pub fn slots(&self, shapes: &[Shape]) -> Vec<i64> {
        let mut slots = vec![START];
        for shape in shapes {
            slots.extend([dimension_id(shape.rows), dimension_id(shape.cols)]);
            slots.extend(std::iter::repeat_n(Self::NUMBER, shape.count()));
        }
        slots.push(START);
        slots
    }
}

/// A place in a sequence: before its first token at first.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    grammar: &'a Grammar,
    slots: &'a [i64],
    slot: usize,
    state: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(grammar: &'a Grammar, slots: &'a [i64]) -> Self {
        Self {
            grammar,
            slots,
            slot: 0,
            state: 0,
        }
    }

    /// Slots behind the cursor.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// State within the number; 0 elsewhere.
    pub fn state(&self) -> usize {
        self.state
    }

    /// Whether the sequence is complete, so that only padding is legal.
    pub fn is_finished(&self) -> bool {
        self.slot == self.slots.len()
    }

    /// The only legal token; none within a number.
    pub fn forced(&self) -> Option<i64> {
        let token = self.slots.get(self.slot).copied().unwrap_or(PAD);
        (token != Grammar::NUMBER).then_some(token)
    }

    /// Whether a token may come next.
    pub fn allowed(&self, token: i64) -> bool {
        match self.forced() {
            Some(forced) => token == forced,
            None => self
                .word(token)
                .is_some_and(|word| self.grammar.allowed[self.state][word]),
        }
    }

    /// Goes past a token; false, and nowhere, where it is not allowed.
    pub fn advance(&mut self, token: i64) -> bool {
        if !self.allowed(token) {
            return false;
        }
        let next = match self.forced() {
            Some(_) => Grammar::FINISHED,
            None => self
                .word(token)
                .map_or(Grammar::FINISHED, |word| self.grammar.next[self.state][word]),
        };
        match usize::try_from(next) {
            Ok(state) => self.state = state,
            Err(_) => {
                self.state = 0;
                self.slot = (self.slot + 1).min(self.slots.len());
            }
        }
        true
    }

    fn word(&self, token: i64) -> Option<usize> {
        let word = usize::try_from(token - WORDS).ok()?;
        (word < self.grammar.allowed[self.state].len()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{Vocabulary, named};
    use nalgebra::dmatrix;

    #[test]
    fn slots_of_an_answer_of_two_matrices() {
        let grammar = Grammar::new(named("P1000").unwrap().as_ref());
        let slots = grammar.slots(&[Shape::new(2, 1), Shape::new(1, 100)]);
        assert_eq!(slots[..7], [0, 3, 2, -1, -1, 2, 101]);
        assert_eq!(slots.len(), 1 + 2 + 2 + 2 + 100 + 1);
        assert_eq!(slots.last(), Some(&START));
    }

    #[test]
    fn every_field_has_a_state_and_a_short_zero_one_more() {
        for (name, states) in [
            ("P10", 6),
            ("P10:5", 8),
            ("P1000", 3),
            ("P1000:4", 4),
            ("B1999", 2),
            ("FP15", 1),
        ] {
            let grammar = Grammar::new(named(name).unwrap().as_ref());
            assert_eq!(grammar.states(), states, "{name}");
        }
    }

    #[test]
    fn a_leading_zero_leaves_nothing_but_its_exponent() {
        let encoding = named("P10").unwrap();
        let (grammar, vocabulary) = (Grammar::new(encoding.as_ref()), Vocabulary::new(encoding));
        let slots = grammar.slots(&[Shape::new(1, 1)]);
        let mut cursor = Cursor::new(&grammar, &slots);
        for word in ["<s>", "V1", "V1", "+", "0"] {
            assert!(cursor.advance(vocabulary.id(word).unwrap()), "{word}");
        }
        let legal: Vec<_> = (0..vocabulary.size() as i64)
            .filter(|&token| cursor.allowed(token))
            .collect();
        assert_eq!(legal, [vocabulary.id("E0").unwrap()]);
        assert_eq!(grammar.field(cursor.state()), 4);
        assert!(cursor.advance(legal[0]));
        assert!(cursor.advance(START));
        assert!(cursor.is_finished());
        assert!(cursor.advance(PAD) && cursor.advance(PAD) && !cursor.allowed(START));
    }

    #[test]
    fn what_is_not_allowed_moves_nothing() {
        let encoding = named("P1000").unwrap();
        let (grammar, vocabulary) = (Grammar::new(encoding.as_ref()), Vocabulary::new(encoding));
        let slots = grammar.slots(&[Shape::new(1, 1)]);
        let mut cursor = Cursor::new(&grammar, &slots);
        let mut tokens = Vec::new();
        vocabulary.write(&[dmatrix![3.14]], &mut tokens).unwrap();
        for token in tokens {
            for wrong in -3..vocabulary.size() as i64 + 3 {
                let before = (cursor.slot(), cursor.state());
                if !cursor.allowed(wrong) {
                    assert!(!cursor.advance(wrong));
                    assert_eq!((cursor.slot(), cursor.state()), before);
                }
            }
            assert!(cursor.advance(token));
        }
        assert!(cursor.is_finished());
    }
}
