//! Token ids: `<s>`, padding, dimensions, the words of an encoding, then the tasks of a co-trained model.

use super::{Encoding, MAX_FIELDS, OutOfRange};
use crate::matrix::{Matrix, Shape};
use std::sync::Arc;

/// `<s>`, which begins and ends a sequence.
pub const START: i64 = 0;
/// `<pad>`, after the end of the shorter sequences of a batch.
pub const PAD: i64 = 1;
/// Largest dimension with a token: `V1` … `V100`.
pub const LARGEST_DIMENSION: usize = 100;
/// The id of the encoding's first word.
pub const WORDS: i64 = 2 + LARGEST_DIMENSION as i64;

/// The tokens of one side of a model.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    encoding: Arc<dyn Encoding>,
    /// Names of the tasks; none for a model of one problem.
    tasks: Vec<&'static str>,
    /// The token that begins a sequence.
    first: i64,
    /// The token of the first class of every field.
    starts: Vec<i64>,
}

/// A sequence that writes no matrices of the shapes that are expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token {place} is {found}, but {expected} was expected")]
pub struct Unreadable {
    /// Counted from 0, `<s>` included.
    pub place: usize,
    pub found: String,
    pub expected: String,
}

/// A matrix that cannot be written.
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

    /// For one of several tasks, whose token begins every sequence in place of `<s>`.
    #[must_use]
    pub fn for_task(mut self, task: usize, names: Vec<&'static str>) -> Self {
        self.tasks = names;
        self.first = self.first_task() + task as i64;
        self
    }

    /// The token that begins a sequence: `<s>`, or the task's.
    pub fn first(&self) -> i64 {
        self.first
    }

    /// The id of the first task's token.
    pub fn first_task(&self) -> i64 {
        WORDS + self.encoding.words().len() as i64
    }

    pub fn encoding(&self) -> &dyn Encoding {
        self.encoding.as_ref()
    }

    pub fn size(&self) -> usize {
        WORDS as usize + self.encoding.words().len() + self.tasks.len()
    }

    /// The word of an id; none where there is none.
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

    /// Appends the whole sequence of matrices: `<s>` or the task's token, each with its dimensions and coefficients row by row, `<s>`.
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

    /// Leaves one digit of every zero, of the numbers from a place on.
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

    /// The matrices of a whole sequence, without padding.
    pub fn read(&self, tokens: &[i64], shapes: &[Shape]) -> Result<Vec<Matrix>, Unreadable> {
        let mut reader = Reader {
            vocabulary: self,
            tokens,
            place: 0,
        };
        reader.expect(self.first, &self.word(self.first).unwrap_or_default())?;
        let mut matrices = Vec::with_capacity(shapes.len());
        for shape in shapes {
            for dimension in [shape.rows, shape.cols] {
                reader.expect(dimension_token(dimension), &format!("V{dimension}"))?;
            }
            let mut matrix = Matrix::zeros(shape.rows, shape.cols);
            for row in 0..shape.rows {
                for col in 0..shape.cols {
                    matrix[(row, col)] = reader.number()?;
                }
            }
            matrices.push(matrix);
        }
        reader.expect(START, "<s>")?;
        if reader.place < tokens.len() {
            return Err(reader.unexpected("the end"));
        }
        Ok(matrices)
    }
}

pub fn dimension_token(dimension: usize) -> i64 {
    1 + dimension as i64
}

struct Reader<'a> {
    vocabulary: &'a Vocabulary,
    tokens: &'a [i64],
    place: usize,
}

impl Reader<'_> {
    fn expect(&mut self, token: i64, word: &str) -> Result<(), Unreadable> {
        if self.tokens.get(self.place) != Some(&token) {
            return Err(self.unexpected(word));
        }
        self.place += 1;
        Ok(())
    }

    fn number(&mut self) -> Result<f64, Unreadable> {
        let encoding = self.vocabulary.encoding();
        let fields = encoding.fields();
        let mut classes = [0; MAX_FIELDS];
        for (i, field) in fields.iter().enumerate() {
            let short = encoding.is_variable_length() && i > 1 && classes[1] == 0;
            if short && i + 1 < fields.len() {
                continue;
            }
            let word = self
                .tokens
                .get(self.place)
                .and_then(|token| usize::try_from(token - WORDS).ok());
            let Some(word) = word.filter(|word| field.words.contains(word)) else {
                return Err(self.unexpected(&format!("a token of the field {}", field.name)));
            };
            classes[i] = (word - field.words.start) as u32;
            self.place += 1;
        }
        Ok(encoding.decode(&classes[..fields.len()]))
    }

    fn unexpected(&self, expected: &str) -> Unreadable {
        let found = self.tokens.get(self.place).map_or("missing".to_string(), |&token| {
            self.vocabulary
                .word(token)
                .unwrap_or_else(|| format!("the unknown id {token}"))
        });
        Unreadable {
            place: self.place,
            found,
            expected: expected.to_string(),
        }
    }
}

#[cfg(test)]
// 3.14 is the paper's example, not an approximation of π.
#[allow(clippy::approx_constant)]
mod tests {
    use super::*;
    use crate::encoding::{Positional, named, round_matrices};

    #[test]
    fn a_hand_worked_sequence() {
        let vocabulary = Vocabulary::new(Arc::new(Positional::p1000(3)));
        let matrix = Matrix::from_row_slice(1, 2, &[3.14, -0.5]);
        let mut tokens = Vec::new();
        vocabulary.write(std::slice::from_ref(&matrix), &mut tokens).unwrap();
        let words: Vec<_> = tokens.iter().map(|token| vocabulary.word(*token).unwrap()).collect();
        assert_eq!(words.join(" "), "<s> V1 V2 + 314 E-2 - 500 E-3 <s>");
        // + and - are words 0 and 1, the numerals follow, E-100 is after 999.
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
    }

    #[test]
    fn sequences_of_every_encoding_read_back_as_rounded() {
        for name in ["P10", "P10:5", "P1000", "P1000:4", "B1999", "FP15"] {
            let vocabulary = Vocabulary::new(named(name).unwrap());
            let matrices = [
                Matrix::from_fn(3, 4, |i, j| 1.2345 * (i as f64 - 1.0) * 10f64.powi(j as i32 - 2)),
                Matrix::from_element(2, 1, 0.0),
            ];
            let mut tokens = Vec::new();
            vocabulary.write(&matrices, &mut tokens).unwrap();
            let shapes: Vec<_> = matrices.iter().map(Shape::of).collect();
            assert_eq!(
                vocabulary.read(&tokens, &shapes).unwrap(),
                round_matrices(vocabulary.encoding(), &matrices).unwrap()
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        let vocabulary = Vocabulary::new(Arc::new(Positional::p1000(3)));
        let shape = [Shape::new(1, 1)];
        let error = |tokens: &[i64]| vocabulary.read(tokens, &shape).unwrap_err().to_string();
        assert_eq!(error(&[0, 2, 3]), "token 2 is V2, but V1 was expected");
        assert_eq!(
            error(&[0, 2, 2, 104]),
            "token 3 is 0, but a token of the field sign was expected"
        );
        assert_eq!(
            error(&[0, 2, 2, 102, 104]),
            "token 5 is missing, but a token of the field exponent was expected"
        );
        assert_eq!(
            error(&[0, 2, 2, 102, 104, 1204, 0, 1]),
            "token 7 is <pad>, but the end was expected"
        );
        assert!(error(&[0, 2, 2, 102, 104, 99_999]).contains("unknown id 99999"));
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
        assert_eq!(svd.read(&tokens, &[Shape::new(1, 2)]).unwrap(), matrices);
        let error = add.read(&tokens, &[Shape::new(1, 2)]).unwrap_err().to_string();
        assert_eq!(error, "token 0 is <svd>, but <add> was expected");
        assert_eq!(svd.word(svd.size() as i64), None);
    }

    #[test]
    fn matrices_too_large_to_name_are_refused() {
        let vocabulary = Vocabulary::new(Arc::new(Positional::p10(3)));
        let text = vocabulary
            .words_of_matrix(&Matrix::zeros(1, 101))
            .unwrap_err()
            .to_string();
        assert!(text.contains("1x101") && text.contains("100"), "{text}");
    }
}
