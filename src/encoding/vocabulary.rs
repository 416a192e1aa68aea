//! Token ids: `<s>`, padding, dimensions, the words of an encoding, and the tasks of a co-trained model.

use super::{Encoding, OutOfRange};
use crate::matrix::{Matrix, Shape};
use std::sync::Arc;

/// `<s>`, the first and last token of a sequence.
pub const START: i64 = 0;
/// `<pad>`, which fills the shorter sequences of a batch at the end.
pub const PAD: i64 = 1;
/// Largest dimension that has a token: `V1` … `V100`.
pub const LARGEST_DIMENSION: usize = 100;
/// The id of the encoding's first word.
pub const WORDS: i64 = 2 + LARGEST_DIMENSION as i64;

/// The tokens of a model's input or output.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    encoding: Arc<dyn Encoding>,
    /// Names of the tasks; empty for a model of one problem.
    tasks: Vec<&'static str>,
    /// The first token of a sequence.
    first: i64,
    /// For each field, the token of its first class.
    starts: Vec<i64>,
}

/// The error of a matrix that cannot be encoded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unwritable {
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    #[error("a {0} matrix cannot be written: dimensions are from 1 to 100")]
    Dimension(Shape),
}

impl Vocabulary {
    pub fn new(encoding: Arc<dyn Encoding>) -> Self {
        let fields = encoding.fields().iter();
        Self {
            starts: fields.map(|field| WORDS + field.words.start as i64).collect(),
            encoding,
            tasks: Vec::new(),
            first: START,
        }
    }

    /// The vocabulary of one of several tasks. The task's token replaces the first `<s>` of a sequence.
    #[must_use]
    pub fn for_task(mut self, task: usize, names: Vec<&'static str>) -> Self {
        self.tasks = names;
        self.first = self.first_task() + task as i64;
        self
    }

    /// The first token of a sequence: `<s>`, or the task's.
    pub fn first(&self) -> i64 {
        self.first
    }

    /// The token of the first task.
    pub fn first_task(&self) -> i64 {
        WORDS + self.encoding.words().len() as i64
    }

    pub fn encoding(&self) -> &dyn Encoding {
        self.encoding.as_ref()
    }

    pub fn size(&self) -> usize {
        WORDS as usize + self.encoding.words().len() + self.tasks.len()
    }

    /// The word of a token; `None` for an unknown id.
    pub fn word(&self, id: i64) -> Option<String> {
        match id {
            START => Some("<s>".into()),
            PAD => Some("<pad>".into()),
            _ if id < 0 => None,
            _ if id < WORDS => Some(format!("V{}", id - 1)),
            _ if id < self.first_task() => self.encoding.words().get((id - WORDS) as usize).cloned(),
            _ => self
                .tasks
                .get((id - self.first_task()) as usize)
                .map(|name| format!("<{name}>")),
        }
    }

    /// Appends the sequence of matrices: `<s>` or the task's token, then dimensions and coefficients (row by row) of
    /// each matrix, then `<s>`.
    pub fn write(&self, matrices: &[Matrix], tokens: &mut Vec<i64>) -> Result<(), Unwritable> {
        tokens.push(self.first);
        for matrix in matrices {
            self.write_matrix(matrix, tokens)?;
        }
        tokens.push(START);
        Ok(())
    }

    /// The words of one matrix: `V2 V2 + 314 E-2 …`
    pub fn words_of_matrix(&self, matrix: &Matrix) -> Result<Vec<String>, Unwritable> {
        let mut tokens = Vec::new();
        self.write_matrix(matrix, &mut tokens)?;
        Ok(tokens.into_iter().filter_map(|token| self.word(token)).collect())
    }

    fn write_matrix(&self, matrix: &Matrix, tokens: &mut Vec<i64>) -> Result<(), Unwritable> {
        let shape = Shape::of(matrix);
        for dimension in [shape.rows, shape.cols] {
            if !(1..=LARGEST_DIMENSION).contains(&dimension) {
                return Err(Unwritable::Dimension(shape));
            }
            tokens.push(dimension_token(dimension));
        }
        let numbers = tokens.len();
        self.encoding.write(matrix, &self.starts, tokens)?;
        if self.encoding.is_variable_length() {
            self.shorten_zeros(numbers, tokens);
        }
        Ok(())
    }

    /// Reduces zeros to one digit. `numbers` is the index of the first number's token.
    fn shorten_zeros(&self, numbers: usize, tokens: &mut Vec<i64>) {
        let fields = self.starts.len();
        let mut end = numbers;
        for number in (numbers..tokens.len()).step_by(fields) {
            let digits = number + 1..number + fields - 1;
            let dropped = if tokens[digits.start] == self.starts[1] {
                digits.len() - 1
            } else {
                0
            };
            tokens.copy_within(number..number + 2, end);
            tokens.copy_within(number + 2 + dropped..number + fields, end + 2);
            end += fields - dropped;
        }
        tokens.truncate(end);
    }
}

pub fn dimension_token(dimension: usize) -> i64 {
    1 + dimension as i64
}

#[cfg(test)]
// 3.14 is the paper's example, not an approximation of π.
#[allow(clippy::approx_constant)]
mod tests {
    use super::*;
    use crate::encoding::{Positional, named, tests::written};
    use crate::matrix::row_major;

    #[test]
    fn a_short_sequence_has_these_tokens() {
        let vocabulary = Vocabulary::new(Arc::new(Positional::p1000(3)));
        let matrix = Matrix::from_row_slice(1, 2, &[3.14, -0.5]);
        let mut tokens = Vec::new();
        vocabulary.write(std::slice::from_ref(&matrix), &mut tokens).unwrap();
        let words: Vec<_> = tokens.iter().map(|token| vocabulary.word(*token).unwrap()).collect();
        assert_eq!(words.join(" "), "<s> V1 V2 + 314 E-2 - 500 E-3 <s>");
        // Words 0 and 1 are + and -. The numerals 0 to 999 follow, then E-100.
        assert_eq!(
            tokens,
            [
                0,
                2,
                3,
                102,
                102 + 2 + 314,
                102 + 1002 + 98,
                103,
                102 + 2 + 500,
                102 + 1002 + 97,
                0
            ]
        );
        assert_eq!(vocabulary.size(), 102 + 2 + 1000 + 201);
        assert_eq!(vocabulary.word(-1), None);
        assert_eq!(vocabulary.word(vocabulary.size() as i64), None);
    }

    #[test]
    fn sequences_have_the_dimensions_and_words_of_all_matrices() {
        for name in ["P10", "P10:5", "P1000", "P1000:4", "B1999", "FP15"] {
            let vocabulary = Vocabulary::new(named(name).unwrap());
            let matrices = [
                Matrix::from_fn(3, 4, |i, j| 1.2345 * (i as f64 - 1.0) * 10f64.powi(j as i32 - 2)),
                Matrix::from_element(2, 1, 0.0),
            ];
            let mut tokens = Vec::new();
            vocabulary.write(&matrices, &mut tokens).unwrap();
            let words: Vec<_> = tokens.iter().map(|token| vocabulary.word(*token).unwrap()).collect();
            let mut expected = vec!["<s>".to_string()];
            for matrix in &matrices {
                expected.push(format!("V{} V{}", matrix.nrows(), matrix.ncols()));
                expected.extend(row_major(matrix).map(|value| written(vocabulary.encoding(), value)));
            }
            expected.push("<s>".to_string());
            assert_eq!(words.join(" "), expected.join(" "), "{name}");
        }
    }

    #[test]
    fn a_task_begins_its_sequences() {
        let encoding = named("P1000").unwrap();
        let alone = Vocabulary::new(encoding.clone());
        let names = vec!["add", "svd"];
        let [add, svd] = [0, 1].map(|task| Vocabulary::new(encoding.clone()).for_task(task, names.clone()));
        assert_eq!([alone.size() + 2, add.size()], [add.size(), svd.size()]);
        let matrices = [Matrix::from_element(1, 2, 4.0)];
        let written = |vocabulary: &Vocabulary| {
            let mut tokens = Vec::new();
            vocabulary.write(&matrices, &mut tokens).unwrap();
            tokens
        };
        let (plain, tokens) = (written(&alone), written(&svd));
        assert_eq!(svd.word(tokens[0]).unwrap(), "<svd>");
        assert_eq!((tokens[0], &tokens[1..]), (svd.size() as i64 - 1, &plain[1..]));
        assert_eq!(add.word(tokens[0]).unwrap(), "<svd>");
        assert_eq!(svd.word(svd.size() as i64), None);
    }

    #[test]
    fn matrices_with_too_large_dimensions_are_refused() {
        let vocabulary = Vocabulary::new(Arc::new(Positional::p10(3)));
        let text = vocabulary
            .words_of_matrix(&Matrix::zeros(1, 101))
            .unwrap_err()
            .to_string();
        assert!(text.contains("1x101") && text.contains("100"), "{text}");
    }
}
