//! Matrices as JSON nested lists, row by row: `[[2,1],[1,3]]`.
//!
//! Numbers are written in their shortest form that reads back to the same bits, integers without a fraction.

use std::fmt::Write;

use super::Matrix;

/// Where a text stops being a matrix, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {reason}")]
pub struct InvalidMatrix {
    /// From 1.
    pub position: usize,
    pub reason: String,
}

/// Reads one matrix: `[[2,1],[1,3]]`.
pub fn parse(text: &str) -> Result<Matrix, InvalidMatrix> {
    let mut cursor = Cursor { text, at: 0 };
    let matrix = cursor.matrix()?;
    cursor.end()?;
    Ok(matrix)
}

/// Reads a list of matrices: `[[[2,1],[1,3]],[[1],[2]]]`.
pub fn parse_list(text: &str) -> Result<Vec<Matrix>, InvalidMatrix> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.expect('[', "a list of matrices, such as [[[2,1],[1,3]]]")?;
    let mut matrices = Vec::new();
    loop {
        matrices.push(cursor.matrix()?);
        if !cursor.goes_on()? {
            break;
        }
    }
    cursor.end()?;
    Ok(matrices)
}

/// Writes one matrix, without blanks.
pub fn print(matrix: &Matrix) -> String {
    let mut text = String::new();
    write(matrix, &mut text);
    text
}

/// Writes a list of matrices, without blanks.
pub fn print_list(matrices: &[Matrix]) -> String {
    let mut text = String::new();
    write_list(matrices, &mut text);
    text
}

/// Appends a list of matrices to a text.
pub fn write_list(matrices: &[Matrix], text: &mut String) {
    text.push('[');
    for (i, matrix) in matrices.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        write(matrix, text);
    }
    text.push(']');
}

fn write(matrix: &Matrix, text: &mut String) {
    for i in 0..matrix.nrows() {
        text.push_str(if i == 0 { "[[" } else { ",[" });
        for j in 0..matrix.ncols() {
            if j > 0 {
                text.push(',');
            }
            write_number(matrix[(i, j)], text);
        }
        text.push(']');
    }
    text.push(']');
}

/// Appends a finite number.
fn write_number(value: f64, text: &mut String) {
    const LARGEST_PLAIN_INTEGER: f64 = 1e16;
    // Writing to a string cannot fail.
    let _ = if value.fract() == 0.0 && value.abs() < LARGEST_PLAIN_INTEGER {
        write!(text, "{value}")
    } else {
        write!(text, "{value:?}")
    };
}

struct Cursor<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Cursor<'a> {
    fn matrix(&mut self) -> Result<Matrix, InvalidMatrix> {
        const WANTED: &str = "a list of rows, such as [[2,1],[1,3]]";
        self.expect('[', WANTED)?;
        let mut entries = Vec::new();
        let (mut rows, mut cols) = (0, 0);
        loop {
            let start = self.at;
            self.expect('[', "a row in brackets, as in [[2,1],[1,3]], or [[1],[2]] for a column")?;
            let before = entries.len();
            self.row(&mut entries)?;
            rows += 1;
            let width = entries.len() - before;
            if rows == 1 {
                cols = width;
            } else if width != cols {
                return Err(self.error(start, format!("row {rows} has {}, row 1 has {cols}", numbers(width))));
            }
            if !self.goes_on()? {
                return Ok(Matrix::from_row_slice(rows, cols, &entries));
            }
        }
    }

    fn row(&mut self, entries: &mut Vec<f64>) -> Result<(), InvalidMatrix> {
        if self.peek() == Some(']') {
            return Err(self.error(self.at, "the row is empty".to_owned()));
        }
        loop {
            entries.push(self.number()?);
            if !self.goes_on()? {
                return Ok(());
            }
        }
    }

    fn number(&mut self) -> Result<f64, InvalidMatrix> {
        self.skip_blanks();
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest
            .find(|c: char| matches!(c, ',' | '[' | ']') || c.is_whitespace())
            .unwrap_or(rest.len());
        let word = &rest[..length];
        match word.parse::<f64>() {
            _ if word.is_empty() => Err(self.error(start, format!("expected a number, found {}", self.found()))),
            Ok(value) if value.is_finite() => {
                self.at += length;
                Ok(value)
            }
            // NaN and Infinity as Python's json writes them, and numbers too large.
            Ok(_) => Err(self.error(start, format!("`{word}` is not finite"))),
            Err(_) => Err(self.error(start, format!("`{}` is not a number", abridged(word)))),
        }
    }

    /// After an element: whether another follows (a comma) or the list ends (a bracket).
    fn goes_on(&mut self) -> Result<bool, InvalidMatrix> {
        let next = self.peek();
        match next {
            Some(',') => self.at += 1,
            Some(']') => self.at += 1,
            _ => return Err(self.error(self.at, format!("expected `,` or `]`, found {}", self.found()))),
        }
        Ok(next == Some(','))
    }

    fn expect(&mut self, wanted: char, description: &str) -> Result<(), InvalidMatrix> {
        if self.peek() == Some(wanted) {
            self.at += wanted.len_utf8();
            Ok(())
        } else {
            Err(self.error(self.at, format!("expected {description}, found {}", self.found())))
        }
    }

    fn end(&mut self) -> Result<(), InvalidMatrix> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error(
                self.at,
                format!("nothing may follow the last bracket, found {}", self.found()),
            )),
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_blanks();
        self.text[self.at..].chars().next()
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// What stands at the cursor, for a message.
    fn found(&self) -> String {
        self.text[self.at..]
            .chars()
            .next()
            .map_or("the end".to_owned(), |c| format!("`{c}`"))
    }

    fn error(&self, at: usize, reason: String) -> InvalidMatrix {
        InvalidMatrix {
            position: self.text[..at].chars().count() + 1,
            reason,
        }
    }
}

fn numbers(count: usize) -> String {
    format!("{count} number{}", if count == 1 { "" } else { "s" })
}

/// The beginning of a word that may be of any length.
fn abridged(word: &str) -> String {
    const LENGTH: usize = 30;
    match word.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matrices_are_written_row_by_row_without_blanks() {
        assert_eq!(
            print(&Matrix::from_row_slice(2, 2, &[1.5, 2.0, 3.0, -4.0])),
            "[[1.5,2],[3,-4]]"
        );
        let pair = [
            Matrix::from_row_slice(1, 2, &[0.1, 1e-7]),
            Matrix::from_element(2, 1, 1e300),
        ];
        assert_eq!(print_list(&pair), "[[[0.1,1e-7]],[[1e300],[1e300]]]");
    }

    #[test]
    fn blanks_and_all_forms_of_numbers_are_read() {
        let matrix = parse(" [ [ 1 , -2.50 ] ,\n[3e2,4E-1]] ").unwrap();
        assert_eq!(matrix, Matrix::from_row_slice(2, 2, &[1.0, -2.5, 300.0, 0.4]));
        assert_eq!(parse_list("[[[1,2]],[[3],[4]]]").unwrap()[1].shape(), (2, 1));
    }

    #[test]
    fn errors_name_the_position_and_the_reason() {
        let message = |text| parse(text).unwrap_err().to_string();
        assert_eq!(
            message("[[1,2],[3]]"),
            "at character 8: row 2 has 1 number, row 1 has 2"
        );
        assert_eq!(message("[[1,x]]"), "at character 5: `x` is not a number");
        assert_eq!(message("[[1,NaN]]"), "at character 5: `NaN` is not finite");
        assert_eq!(message("[[-Infinity]]"), "at character 3: `-Infinity` is not finite");
        assert_eq!(message("[[1e999]]"), "at character 3: `1e999` is not finite");
        assert_eq!(message("[[]]"), "at character 3: the row is empty");
        assert_eq!(message("[[1,]]"), "at character 5: expected a number, found `]`");
        assert_eq!(message("[[1,2"), "at character 6: expected `,` or `]`, found the end");
        assert_eq!(message("[[1 2]]"), "at character 5: expected `,` or `]`, found `2`");
        assert_eq!(
            message("[[1]]]"),
            "at character 6: nothing may follow the last bracket, found `]`"
        );
        assert!(message("").starts_with("at character 1: expected a list of rows, such as [[2,1],[1,3]]"));
        assert!(message("[1,2]").contains("[[1],[2]] for a column, found `1`"));
        assert!(
            parse_list("[[1]]")
                .unwrap_err()
                .to_string()
                .contains("expected a row in brackets")
        );
    }

    #[test]
    fn positions_count_characters_and_not_bytes() {
        assert_eq!(
            parse("[[é]]").unwrap_err().to_string(),
            "at character 3: `é` is not a number"
        );
        assert_eq!(parse("[[1,\u{a0}é]]").unwrap_err().position, 6);
    }

    proptest! {
        #[test]
        fn finite_numbers_survive_to_the_bit(bits in proptest::collection::vec(any::<u64>(), 6)) {
            let values: Vec<f64> = bits.into_iter().map(f64::from_bits).map(|x| if x.is_finite() { x } else { 0.0 }).collect();
            let matrix = Matrix::from_row_slice(2, 3, &values);
            let again = parse(&print(&matrix)).unwrap();
            prop_assert!(matrix.iter().zip(again.iter()).all(|(a, b)| a.to_bits() == b.to_bits()));
        }

        #[test]
        fn no_text_panics(text in "[\\[\\], 0-9eE.+é-]{0,30}") {
            let _ = parse(&text);
            let _ = parse_list(&text);
        }
    }
}
