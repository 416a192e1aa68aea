//! Positions of all tokens or coefficients of a sequence.

use super::{Encoding, InputLayout};
use crate::matrix::Shape;

/// Position indices: rows of (index in the sequence, matrix, row, column, field). Row, column and field count from 1.
/// They are 0 for tokens outside of coefficients.
#[derive(Debug)]
pub struct Layout;

impl Layout {
    /// One row per token of the sequence of these matrices, including both `<s>`.
    pub fn tokens(shapes: &[Shape], encoding: &dyn Encoding) -> Vec<[i64; 5]> {
        let fields = encoding.fields().len() as i64;
        let mut places: Vec<[i64; 5]> = vec![[0; 5]];
        for (matrix, shape) in (0..).zip(shapes) {
            places.extend([[0, matrix, 0, 0, 0]; 2]);
            for [_, matrix, row, column, _] in coefficients(matrix, *shape) {
                places.extend((1..=fields).map(|field| [0, matrix, row, column, field]));
            }
        }
        places.push([0; 5]);
        numbered(places)
    }

    /// One row per coefficient.
    pub fn coefficients(shapes: &[Shape]) -> Vec<[i64; 5]> {
        numbered(
            (0..)
                .zip(shapes)
                .flat_map(|(matrix, shape)| coefficients(matrix, *shape))
                .collect(),
        )
    }

    /// One row per coefficient of the input layout.
    pub fn reading(shapes: &[Shape], reading: InputLayout) -> Vec<[i64; 5]> {
        let mut places = Self::coefficients(shapes);
        places.retain(|&[_, _, row, column, _]| reading.has(row, column));
        numbered(places)
    }

    /// Adds a row for the task token before the others.
    pub fn after_task(places: Vec<[i64; 5]>) -> Vec<[i64; 5]> {
        numbered(std::iter::once([0; 5]).chain(places).collect())
    }
}

fn coefficients(matrix: i64, shape: Shape) -> impl Iterator<Item = [i64; 5]> {
    let (rows, cols) = (shape.rows as i64, shape.cols as i64);
    (1..=rows).flat_map(move |row| (1..=cols).map(move |column| [0, matrix, row, column, 1]))
}

fn numbered(mut places: Vec<[i64; 5]>) -> Vec<[i64; 5]> {
    for (place, row) in (0..).zip(&mut places) {
        row[0] = place;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Positional;

    #[test]
    fn tokens_of_a_short_sequence_have_these_positions() {
        // <s> V1 V2 + 3 E0 - 4 E0 <s>
        let places = Layout::tokens(&[Shape::new(1, 2)], &Positional::p1000(3));
        assert_eq!(
            places,
            [
                [0, 0, 0, 0, 0],
                [1, 0, 0, 0, 0],
                [2, 0, 0, 0, 0],
                [3, 0, 1, 1, 1],
                [4, 0, 1, 1, 2],
                [5, 0, 1, 1, 3],
                [6, 0, 1, 2, 1],
                [7, 0, 1, 2, 2],
                [8, 0, 1, 2, 3],
                [9, 0, 0, 0, 0],
            ]
        );
    }

    #[test]
    fn a_triangle_has_no_coefficients_above_the_diagonal() {
        assert_eq!(
            Layout::reading(&[Shape::new(2, 2)], InputLayout::Triangle),
            [[0, 0, 1, 1, 1], [1, 0, 2, 1, 1], [2, 0, 2, 2, 1]]
        );
    }

    #[test]
    fn a_condensed_form_has_two_diagonals() {
        assert_eq!(
            Layout::reading(&[Shape::new(2, 3)], InputLayout::Condensed),
            [[0, 0, 1, 1, 1], [1, 0, 1, 2, 1], [2, 0, 2, 2, 1], [3, 0, 2, 3, 1]]
        );
    }

    #[test]
    fn positions_count_across_matrices() {
        let places = Layout::coefficients(&[Shape::new(2, 1), Shape::new(1, 2)]);
        assert_eq!(
            places,
            [[0, 0, 1, 1, 1], [1, 0, 2, 1, 1], [2, 1, 1, 1, 1], [3, 1, 1, 2, 1]]
        );
        assert_eq!(Layout::after_task(places)[..2], [[0; 5], [1, 0, 1, 1, 1]]);
    }
}
