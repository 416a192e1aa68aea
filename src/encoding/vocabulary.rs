//! Token ids, and matrices as sequences of them.
//!
//! `<s>` = 0 begins and ends a sequence, `<pad>` = 1, `V1` … `V100` = 2 … 101 announce rows and columns, then come the
//! encoding's words. `<s> V2 V1 + 314 E-2 - 100 E0 <s>` is a 2×1 matrix in P1000.

use super::grammar::{Cursor, Grammar};
use super::{Encoding, MAX_FIELDS, OutOfRange, Part};
use crate::matrix::{Matrix, Shape};
use std::sync::{Arc, LazyLock};

/// The id of `<s>`.
pub const START: i64 = 0;
/// The id of `<pad>`.
pub const PAD: i64 = 1;
/// The id of an encoding's first word.
pub const WORDS: i64 = 102;

/// Rows or columns that have a token.
pub(super) const MAX_DIMENSION: usize = 100;

/// The ids below [`WORDS`].
static STRUCTURE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let marks = ["<s>".to_owned(), "<pad>".to_owned()];
    marks
        .into_iter()
        .chain((1..=MAX_DIMENSION).map(|size| format!("V{size}")))
        .collect()
});

/// The id of `V<size>`.
pub(super) fn dimension_id(size: usize) -> i64 {
    PAD + size as i64
}

/// The token ids of an encoding.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    encoding: Arc<dyn Encoding>,
    /// For every field the id of its class 0, and whether it is written where a zero is written shorter.
    fields: Vec<(i64, bool)>,
    /// The field whose class 0 makes a number a short zero.
    leading: Option<usize>,
}

impl Vocabulary {
    pub fn new(encoding: Arc<dyn Encoding>) -> Self {
        let fields = encoding.fields();
        let leading = fields
            .iter()
            .position(|field| field.part == Part::Mantissa { leading: true });
        let leading = leading.filter(|_| encoding.is_variable_length());
        let is_short = |part| part != Part::Mantissa { leading: false };
        let fields = fields
            .iter()
            .map(|field| (WORDS + field.words.start as i64, is_short(field.part)))
            .collect();
        Self {
            encoding,
            fields,
            leading,
        }
    }

    pub fn encoding(&self) -> &Arc<dyn Encoding> {
        &self.encoding
    }

    /// Number of ids.
    pub fn size(&self) -> usize {
        WORDS as usize + self.encoding.words().len()
    }

    /// The word of an id; `<unknown>` where there is none.
    pub fn word(&self, id: i64) -> &str {
        let Ok(id) = usize::try_from(id) else {
            return "<unknown>";
        };
        let words = STRUCTURE
            .get(id)
            .or_else(|| self.encoding.words().get(id.checked_sub(WORDS as usize)?));
        words.map_or("<unknown>", String::as_str)
    }

    /// The id of a word, found by looking through all.
    pub fn id(&self, word: &str) -> Option<i64> {
        let words = STRUCTURE.iter().chain(self.encoding.words());
        words.zip(0..).find(|(known, _)| *known == word).map(|(_, id)| id)
    }

    /// Appends the sequence of matrices, with `<s>` at both ends. Where it fails, nothing is appended.
    pub fn write(&self, matrices: &[Matrix], tokens: &mut Vec<i64>) -> Result<(), WriteError> {
        let before = tokens.len();
        tokens.push(START);
        let result = matrices
            .iter()
            .try_for_each(|matrix| self.tokens_of_matrix(matrix, tokens));
        match result {
            Ok(()) => tokens.push(START),
            Err(_) => tokens.truncate(before),
        }
        result
    }

    /// Appends `V<rows> V<cols>` and the coefficients, row by row.
    pub fn tokens_of_matrix(&self, matrix: &Matrix, tokens: &mut Vec<i64>) -> Result<(), WriteError> {
        let shape = Shape::of(matrix);
        if ![shape.rows, shape.cols]
            .iter()
            .all(|size| (1..=MAX_DIMENSION).contains(size))
        {
            return Err(WriteError::Shape(shape));
        }
        tokens.extend([dimension_id(shape.rows), dimension_id(shape.cols)]);
        for row in 0..shape.rows {
            for col in 0..shape.cols {
                self.push_number(matrix[(row, col)], tokens)?;
            }
        }
        Ok(())
    }

    /// The words of `V<rows> V<cols>` and the coefficients.
    pub fn words_of_matrix(&self, matrix: &Matrix) -> Result<Vec<&str>, WriteError> {
        let mut tokens = Vec::new();
        self.tokens_of_matrix(matrix, &mut tokens)?;
        Ok(tokens.into_iter().map(|token| self.word(token)).collect())
    }

    fn push_number(&self, value: f64, tokens: &mut Vec<i64>) -> Result<(), OutOfRange> {
        let mut classes = [0; MAX_FIELDS];
        let classes = &mut classes[..self.fields.len()];
        self.encoding.encode(value, classes)?;
        let is_short = self.leading.is_some_and(|leading| classes[leading] == 0);
        let written = self
            .fields
            .iter()
            .zip(classes)
            .filter(|((_, in_short), _)| *in_short || !is_short);
        tokens.extend(written.map(|((start, _), class)| start + i64::from(*class)));
        Ok(())
    }

    /// The matrices of these shapes that a sequence writes: from `<s>` to `<s>`, padding may follow.
    pub fn read(&self, tokens: &[i64], shapes: &[Shape]) -> Result<Vec<Matrix>, Unexpected> {
        let grammar = Grammar::new(self.encoding.as_ref());
        let slots = grammar.slots(shapes);
        let mut cursor = Cursor::new(&grammar, &slots);
        let mut values = Vec::with_capacity(slots.len());
        let mut classes = [0; MAX_FIELDS];
        let classes = &mut classes[..self.fields.len()];
        for (position, &token) in tokens.iter().enumerate() {
            let (slot, field) = (cursor.slot(), grammar.field(cursor.state()));
            let is_number = cursor.forced().is_none();
            if !cursor.advance(token) {
                return Err(self.unexpected(&cursor, &grammar, position, Some(token)));
            }
            if is_number {
                classes[field] = (token - self.fields[field].0) as u32;
                if cursor.slot() > slot {
                    values.push(self.encoding.decode(classes));
                    classes.fill(0);
                }
            }
        }
        if !cursor.is_finished() {
            return Err(self.unexpected(&cursor, &grammar, tokens.len(), None));
        }
        let mut values = values.into_iter();
        let matrix =
            |shape: &Shape| Matrix::from_row_iterator(shape.rows, shape.cols, values.by_ref().take(shape.count()));
        Ok(shapes.iter().map(matrix).collect())
    }

    #[cold]
    fn unexpected(&self, cursor: &Cursor, grammar: &Grammar, position: usize, token: Option<i64>) -> Unexpected {
        let found = match token {
            Some(token) if token < 0 || token as usize >= self.size() => format!("the id {token}, which has no word"),
            Some(token) => self.word(token).to_owned(),
            None => "the end".to_owned(),
        };
        let expected = match cursor.forced() {
            Some(forced) => self.word(forced).to_owned(),
            None => {
                let words = self.encoding.words();
                let allowed = &grammar.allowed()[cursor.state()];
                let mut legal = words
                    .iter()
                    .zip(allowed)
                    .filter(|(_, allowed)| **allowed)
                    .map(|(word, _)| word);
                let (first, last) = (legal.next(), legal.next_back());
                let name = &self.encoding.fields()[grammar.field(cursor.state())].name;
                let words: Vec<_> = [first, last].into_iter().flatten().map(String::as_str).collect();
                format!("{name} ({})", words.join(" to "))
            }
        };
        Unexpected {
            position,
            found,
            expected,
        }
    }
}

/// Matrices that have no sequence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    #[error("a {0} matrix has no tokens: rows and columns go from 1 to {MAX_DIMENSION}")]
    Shape(Shape),
}

/// A sequence that is not of the shapes that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token {position} (from 0) is {found}, where {expected} was expected")]
pub struct Unexpected {
    /// Index of the token.
    pub position: usize,
    /// Its word.
    pub found: String,
    pub expected: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::named;
    use nalgebra::dmatrix;

    fn vocabulary(name: &str) -> Vocabulary {
        Vocabulary::new(named(name).unwrap())
    }

    #[test]
    fn ids_are_start_padding_dimensions_words() {
        let vocabulary = vocabulary("P1000");
        assert_eq!(vocabulary.size(), 102 + 2 + 1000 + 201);
        for (id, word) in [
            (0, "<s>"),
            (1, "<pad>"),
            (2, "V1"),
            (101, "V100"),
            (102, "+"),
            (103, "-"),
            (104, "0"),
        ] {
            assert_eq!(vocabulary.word(id), word);
            assert_eq!(vocabulary.id(word), Some(id));
        }
        assert_eq!(vocabulary.word(vocabulary.size() as i64 - 1), "E100");
        assert_eq!(vocabulary.word(vocabulary.size() as i64), "<unknown>");
        assert_eq!(vocabulary.word(-1), "<unknown>");
        assert_eq!(vocabulary.id("V101"), None);
    }

    #[test]
    fn every_word_has_its_own_id() {
        for name in ["P10", "P1000:2", "P1000:5", "B1999:2", "FP15:2"] {
            let vocabulary = vocabulary(name);
            let words: std::collections::HashSet<_> =
                (0..vocabulary.size() as i64).map(|id| vocabulary.word(id)).collect();
            assert_eq!(words.len(), vocabulary.size(), "{name}");
            let ends = vocabulary.encoding().fields().iter().map(|field| field.words.end);
            assert_eq!(ends.max(), Some(vocabulary.encoding().words().len()), "{name}");
        }
    }

    #[test]
    fn a_matrix_is_written_row_by_row() {
        let words = |name, matrix| vocabulary(name).words_of_matrix(&matrix).unwrap().join(" ");
        let matrix = dmatrix![3.14, 0.0; -1.0, 2.0; 1e3, 0.5];
        assert_eq!(
            words("P1000", matrix.clone()),
            "V3 V2 + 314 E-2 + 0 E0 - 100 E-2 + 200 E-2 + 100 E1 + 500 E-3"
        );
        assert_eq!(words("P10", dmatrix![3.14, 0.0]), "V1 V2 + 3 1 4 E-2 + 0 E0");
        assert_eq!(words("FP15", matrix), "V3 V2 N314e7 N0e0 N-100e7 N200e7 N100e10 N500e6");
    }

    #[test]
    fn a_sequence_begins_and_ends_with_the_start() {
        let vocabulary = vocabulary("B1999");
        let mut tokens = vec![77];
        vocabulary
            .write(&[dmatrix![-1.0], dmatrix![0.0, 0.0]], &mut tokens)
            .unwrap();
        let words: Vec<_> = tokens[1..].iter().map(|&token| vocabulary.word(token)).collect();
        assert_eq!(words.join(" "), "<s> V1 V1 N-100 E-2 V1 V2 N0 E0 N0 E0 <s>");
        assert_eq!(tokens[0], 77, "what was there stays");
    }

    #[test]
    fn example_lengths_are_those_of_the_paper() {
        for (name, length) in [("P10", 129), ("P1000", 79), ("B1999", 54), ("FP15", 29)] {
            let mut tokens = Vec::new();
            vocabulary(name)
                .write(&[Matrix::from_element(5, 5, 1.5)], &mut tokens)
                .unwrap();
            assert_eq!(tokens.len(), length, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let vocabulary = vocabulary("P1000");
        let mut tokens = vec![];
        let error = vocabulary.write(&[dmatrix![1.0, f64::NAN]], &mut tokens).unwrap_err();
        assert!(matches!(error, WriteError::OutOfRange(_)), "{error}");
        let error = vocabulary.write(&[Matrix::zeros(101, 1)], &mut tokens).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a 101x1 matrix has no tokens: rows and columns go from 1 to 100"
        );
        assert!(vocabulary.write(&[Matrix::zeros(0, 1)], &mut tokens).is_err());
        assert_eq!(tokens, []);
    }

    fn reading(name: &str, text: &str, shapes: &[Shape]) -> Result<Vec<Matrix>, String> {
        let vocabulary = vocabulary(name);
        let tokens: Vec<_> = text.split(' ').map(|word| vocabulary.id(word).unwrap_or(-7)).collect();
        vocabulary.read(&tokens, shapes).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_is_written() {
        let shapes = [Shape::new(1, 2), Shape::new(2, 1)];
        let text = "<s> V1 V2 + 3 1 4 E-2 + 0 E0 V2 V1 - 5 0 0 E0 + 1 0 0 E1 <s> <pad> <pad>";
        assert_eq!(
            reading("P10", text, &shapes),
            Ok(vec![dmatrix![3.14, 0.0], dmatrix![-500.0; 1000.0]])
        );
        assert_eq!(
            reading("P1000", "<s> V1 V1 + 5 E1 <s>", &[Shape::new(1, 1)]),
            Ok(vec![dmatrix![50.0]])
        );
    }

    #[test]
    fn says_where_a_word_was_not_expected() {
        let error = |text| reading("P1000", text, &[Shape::new(1, 1)]).unwrap_err();
        assert_eq!(error("<s> V2 V1"), "token 1 (from 0) is V2, where V1 was expected");
        assert_eq!(
            error("<s> V1 V1 314"),
            "token 3 (from 0) is 314, where sign (+ to -) was expected"
        );
        assert_eq!(
            error("<s> V1 V1 + E-2"),
            "token 4 (from 0) is E-2, where mantissa (0 to 999) was expected"
        );
        assert_eq!(
            error("<s> V1 V1 + 314"),
            "token 5 (from 0) is the end, where exponent (E-100 to E100) was expected"
        );
        assert_eq!(
            error("<s> V1 V1 + 314 E-2 + "),
            "token 6 (from 0) is +, where <s> was expected"
        );
        assert_eq!(
            error("<s> what"),
            "token 1 (from 0) is the id -7, which has no word, where V1 was expected"
        );
        assert_eq!(
            error("<s> V1 V1 + 314 E-2 <s> <s>"),
            "token 7 (from 0) is <s>, where <pad> was expected"
        );
        let error = reading("P10", "<s> V1 V1 + 0 5", &[Shape::new(1, 1)]).unwrap_err();
        assert_eq!(error, "token 5 (from 0) is 5, where exponent (E0) was expected");
    }
}
