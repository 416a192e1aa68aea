//! Where every token or coefficient stands, for position embeddings.

use super::Encoding;
use crate::matrix::Shape;

/// Position indices, one row per token or coefficient: `[place, matrix, row, column, field]`. Places and matrices count
/// from 0; rows, columns and fields from 1, and are 0 for tokens that write no number.
#[derive(Clone, Copy, Debug)]
pub struct Layout;

impl Layout {
    /// Of the sequence `<s> V<rows> V<cols> coefficients … <s>`, every number with all its fields. (Where zeros are
    /// written shorter, only the places hold.) Both `<s>` have zeros beside their place.
    pub fn tokens(shapes: &[Shape], encoding: &dyn Encoding) -> Vec<[i64; 5]> {
        let fields = encoding.fields().len() as i64;
        let numbers: usize = shapes.iter().map(|shape| shape.count()).sum();
        let mut rows = Vec::with_capacity(2 + 2 * shapes.len() + numbers * fields as usize);
        rows.push([0; 5]);
        for (matrix, &shape) in (0..).zip(shapes) {
            rows.extend([[0, matrix, 0, 0, 0]; 2]);
            for [row, col] in places(shape) {
                rows.extend((1..=fields).map(|field| [0, matrix, row, col, field]));
            }
        }
        rows.push([0; 5]);
        numbered(rows)
    }

    /// One row per coefficient, each with field 1.
    pub fn coefficients(shapes: &[Shape]) -> Vec<[i64; 5]> {
        let rows = (0..)
            .zip(shapes)
            .flat_map(|(matrix, &shape)| places(shape).map(move |[row, col]| [0, matrix, row, col, 1]));
        numbered(rows.collect())
    }
}

/// Row and column of every coefficient, from 1, in reading order.
fn places(shape: Shape) -> impl Iterator<Item = [i64; 2]> {
    (1..=shape.rows as i64).flat_map(move |row| (1..=shape.cols as i64).map(move |col| [row, col]))
}

fn numbered(mut rows: Vec<[i64; 5]>) -> Vec<[i64; 5]> {
    for (place, row) in (0..).zip(&mut rows) {
        row[0] = place;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{Vocabulary, named};
    use crate::matrix::Matrix;

    #[test]
    fn tokens_of_a_vector_and_a_number() {
        let encoding = named("B1999").unwrap();
        let layout = Layout::tokens(&[Shape::new(1, 2), Shape::new(1, 1)], encoding.as_ref());
        let expected = [
            [0, 0, 0, 0, 0],
            [1, 0, 0, 0, 0],
            [2, 0, 0, 0, 0],
            [3, 0, 1, 1, 1],
            [4, 0, 1, 1, 2],
            [5, 0, 1, 2, 1],
            [6, 0, 1, 2, 2],
            [7, 1, 0, 0, 0],
            [8, 1, 0, 0, 0],
            [9, 1, 1, 1, 1],
            [10, 1, 1, 1, 2],
            [11, 0, 0, 0, 0],
        ];
        assert_eq!(layout, expected);
    }

    #[test]
    fn coefficients_are_row_major() {
        let layout = Layout::coefficients(&[Shape::new(2, 2), Shape::new(1, 1)]);
        assert_eq!(
            layout,
            [
                [0, 0, 1, 1, 1],
                [1, 0, 1, 2, 1],
                [2, 0, 2, 1, 1],
                [3, 0, 2, 2, 1],
                [4, 1, 1, 1, 1]
            ]
        );
    }

    #[test]
    fn there_is_a_position_for_every_token() {
        for name in ["P10:4", "P1000:5", "B1999", "FP15"] {
            let encoding = named(name).unwrap();
            let matrices = [Matrix::from_element(3, 2, 1.5), Matrix::from_element(2, 1, -7.0)];
            let mut tokens = Vec::new();
            Vocabulary::new(encoding.clone()).write(&matrices, &mut tokens).unwrap();
            assert_eq!(
                Layout::tokens(&matrices.each_ref().map(Shape::of), encoding.as_ref()).len(),
                tokens.len()
            );
        }
    }
}
