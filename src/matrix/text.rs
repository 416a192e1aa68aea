//! Matrices as JSON nested lists, row by row: `[[2,1],[1,3]]`.
//!
//! Numbers have the shortest form that parses to the same bits. Integers have no fraction.

use std::io::{self, Write};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Serializer, ser::Formatter};

use super::Matrix;

/// The error of a text that is not a matrix, with its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidMatrix(String);

/// Reads one matrix: `[[2,1],[1,3]]`.
pub fn parse(text: &str) -> Result<Matrix, InvalidMatrix> {
    matrix(read(text, "[[2,1],[1,3]], or [[1],[2]] for a column")?)
}

/// Reads a list of matrices: `[[[2,1],[1,3]],[[1],[2]]]`.
pub fn parse_list(text: &str) -> Result<Vec<Matrix>, InvalidMatrix> {
    let matrices: Vec<_> = read(text, "[[[2,1],[1,3]],[[1],[2]]]")?;
    if matrices.is_empty() {
        return Err(InvalidMatrix("the list has no matrix".to_owned()));
    }
    matrices.into_iter().map(matrix).collect()
}

/// Writes a list of matrices, without blanks.
pub fn print_list(matrices: &[Matrix]) -> String {
    let lists: Vec<_> = matrices.iter().map(rows).collect();
    let mut text = Vec::new();
    // Serializing lists of numbers cannot fail, and the result is ASCII.
    let _ = lists.serialize(&mut Serializer::with_formatter(&mut text, Shortest));
    String::from_utf8(text).unwrap_or_default()
}

/// Parses JSON. Errors give the position in characters. It equals serde's position in bytes, because parsing stops at
/// the first non-ASCII character.
fn read<T: DeserializeOwned>(text: &str, example: &str) -> Result<T, InvalidMatrix> {
    serde_json::from_str(text).map_err(|error| {
        let lines_before = text.split_inclusive('\n').take(error.line() - 1);
        let position = lines_before.map(str::len).sum::<usize>() + error.column();
        let message = error.to_string();
        let reason = message.split(" at line ").next().unwrap_or_default();
        InvalidMatrix(format!(
            "at character {position}: {reason}; write lists as in {example}"
        ))
    })
}

fn matrix(rows: Vec<Vec<f64>>) -> Result<Matrix, InvalidMatrix> {
    let width = rows.first().map_or(0, Vec::len);
    let other = rows.iter().position(|row| row.len() != width);
    match other {
        _ if width == 0 => Err(InvalidMatrix("the first row is missing or empty".to_owned())),
        Some(i) => {
            let (row, found) = (i + 1, rows[i].len());
            Err(InvalidMatrix(format!(
                "row 1 has {width} numbers, but row {row} has {found}"
            )))
        }
        None => Ok(Matrix::from_row_iterator(rows.len(), width, rows.into_iter().flatten())),
    }
}

fn rows(matrix: &Matrix) -> Vec<Vec<f64>> {
    matrix.row_iter().map(|row| row.iter().copied().collect()).collect()
}

struct Shortest;

impl Formatter for Shortest {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        const LARGEST_PLAIN_INTEGER: f64 = 1e16;
        if value.fract() == 0.0 && value.abs() < LARGEST_PLAIN_INTEGER {
            write!(writer, "{value}")
        } else {
            write!(writer, "{value:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matrices_are_written_row_by_row_without_blanks() {
        let single = [Matrix::from_row_slice(2, 2, &[1.5, 2.0, 3.0, -4.0])];
        assert_eq!(print_list(&single), "[[[1.5,2],[3,-4]]]");
        let pair = [
            Matrix::from_row_slice(1, 3, &[0.1, 1e-7, 2e-5]),
            Matrix::from_element(2, 1, 1e300),
        ];
        assert_eq!(print_list(&pair), "[[[0.1,1e-7,2e-5]],[[1e300],[1e300]]]");
    }

    #[test]
    fn blanks_and_all_forms_of_numbers_are_read() {
        let matrix = parse(" [ [ 1 , -2.50 ] ,\n[3e2,4E-1]] ").unwrap();
        assert_eq!(matrix, Matrix::from_row_slice(2, 2, &[1.0, -2.5, 300.0, 0.4]));
        assert_eq!(parse_list("[[[1,2]],[[3],[4]]]").unwrap()[1].shape(), (2, 1));
    }

    #[test]
    fn errors_name_the_position_and_the_reason() {
        let cases = [
            ("[[1,2],[3]]", "row 1 has 2 numbers, but row 2 has 1"),
            ("[[1,NaN]]", "at character 5: expected value"),
            ("[[1,\n x]]", "at character 7: expected value"),
            ("[[1,é]]", "at character 5: expected value"),
            ("[[1e999]]", "number out of range"),
            ("[[]]", "the first row is missing or empty"),
            ("[[1,2", "at character 5: EOF while parsing a list"),
            ("[[1]]]", "at character 6: trailing characters"),
            ("[1,2]", "[[1],[2]] for a column"),
            ("", "[[2,1],[1,3]]"),
        ];
        for (text, reason) in cases {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(reason), "{text}: {message}");
        }
        assert!(parse_list("[[1]]").is_err() && parse_list("[]").is_err());
    }

    proptest! {
        #[test]
        fn finite_numbers_survive_to_the_bit(bits in proptest::collection::vec(any::<u64>(), 6)) {
            let values: Vec<f64> = bits.into_iter().map(f64::from_bits).map(|x| if x.is_finite() { x } else { 0.0 }).collect();
            let matrix = Matrix::from_row_slice(2, 3, &values);
            let again = parse_list(&print_list(std::slice::from_ref(&matrix))).unwrap();
            prop_assert!(matrix.iter().zip(again[0].iter()).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}
