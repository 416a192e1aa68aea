//! Norms of errors, and checks of the properties that a correct solution has.

use super::Part;
use crate::matrix::{Matrix, Shape};

/// The largest error of a correct solution, relative to the scale of the problem. Solutions printed with eight
/// significant digits pass; solutions rounded to four do not.
pub(crate) const TOLERANCE: f64 = 1e-6;

pub(crate) fn shapes(matrices: &[Matrix]) -> Vec<Shape> {
    matrices.iter().map(Shape::of).collect()
}

/// Shapes of the parts at a size.
pub(crate) fn shapes_of(parts: &[Part], size: Shape) -> Vec<Shape> {
    parts.iter().map(|part| part.shape(size)).collect()
}

/// `3x4, 4x1`
pub(crate) fn listed(shapes: &[Shape]) -> String {
    shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether prediction and solution have the same shapes.
pub(crate) fn is_comparable(solution: &[Matrix], prediction: &[Matrix]) -> bool {
    solution.len() == prediction.len() && solution.iter().zip(prediction).all(|(a, b)| a.shape() == b.shape())
}

/// The Frobenius norm, computed without overflow even if squares of entries overflow.
pub(crate) fn norm(matrix: &Matrix) -> f64 {
    match matrix.amax() {
        0.0 => 0.0,
        scale => scale * (matrix / scale).norm(),
    }
}

/// `error / scale`, or infinity if that is not a finite number. A zero error gives 0, even at scale 0.
pub(crate) fn ratio(error: f64, scale: f64) -> f64 {
    let ratio = if error == 0.0 { 0.0 } else { error / scale };
    if ratio.is_finite() && scale.is_finite() {
        ratio
    } else {
        f64::INFINITY
    }
}

/// Sum of absolute values.
pub(crate) fn l1<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().map(|x| x.abs()).sum()
}

/// `Σ|P - T| / Σ|T|` over all matrices of the solution T and the prediction P.
pub(crate) fn relative_l1(truth: &[Matrix], prediction: &[Matrix]) -> f64 {
    if !is_comparable(truth, prediction) {
        return f64::INFINITY;
    }
    let pairs = truth.iter().zip(prediction).flat_map(|(t, p)| t.iter().zip(p));
    ratio(pairs.map(|(t, p)| (p - t).abs()).sum(), l1(truth.iter().flatten()))
}

/// `Σ|UᵀAV - diag(s)| / Σ|s|`
pub(crate) fn diagonalization_error(a: &Matrix, u: &Matrix, values: &Matrix, v: &Matrix) -> f64 {
    if u.nrows() != a.nrows() || v.nrows() != a.ncols() || u.ncols() != values.len() || v.ncols() != values.len() {
        return f64::INFINITY;
    }
    let mut difference = u.tr_mul(&(a * v));
    for (i, value) in values.iter().enumerate() {
        difference[(i, i)] -= value;
    }
    ratio(l1(&difference), l1(values))
}

/// `Σ|AP - I| / n`
pub(crate) fn inversion_error(a: &Matrix, prediction: &Matrix) -> f64 {
    if a.shape() != prediction.shape() {
        return f64::INFINITY;
    }
    ratio(l1(&deviation_from_identity(a * prediction)), a.nrows() as f64)
}

pub(crate) fn deviation_from_identity(mut matrix: Matrix) -> Matrix {
    for i in 0..matrix.nrows().min(matrix.ncols()) {
        matrix[(i, i)] -= 1.0;
    }
    matrix
}

/// Deviation of the columns from orthonormality: `Σ|VᵀV - I| / n`.
pub(crate) fn orthonormality_error(v: &Matrix) -> f64 {
    ratio(l1(&deviation_from_identity(v.tr_mul(v))), v.ncols() as f64)
}

/// The symmetric part of a matrix: the best estimate of a symmetric matrix from a noisy one.
pub(crate) fn symmetric_part(matrix: &Matrix) -> Matrix {
    (matrix + matrix.transpose()) * 0.5
}

/// Squares of values.
pub(crate) fn squares(values: &Matrix) -> Matrix {
    values.map(|value| value * value)
}

/// The smaller of AᵀA and AAᵀ. Its eigenvalues are the squares of the singular values.
pub(crate) fn smaller_gram(matrix: &Matrix) -> Matrix {
    if matrix.nrows() < matrix.ncols() {
        matrix * matrix.transpose()
    } else {
        matrix.tr_mul(matrix)
    }
}

/// Fails if a value is not finite.
pub(crate) fn require_finite(what: &str, matrices: &[Matrix]) -> Result<(), String> {
    for (k, matrix) in matrices.iter().enumerate() {
        if let Some((i, j)) = first_not(matrix, f64::is_finite) {
            let (x, name) = (matrix[(i, j)], member(what, k, matrices.len()));
            return Err(format!(
                "entry ({}, {}) of {name} is {x}, not a finite number",
                i + 1,
                j + 1
            ));
        }
    }
    Ok(())
}

/// The name of a matrix in errors: `the operand`, or `operand 2` if there are several.
fn member(what: &str, index: usize, count: usize) -> String {
    if count == 1 {
        format!("the {what}")
    } else {
        format!("{what} {}", index + 1)
    }
}

/// The row and column of the first entry that fails a test.
fn first_not(matrix: &Matrix, is_right: impl Fn(f64) -> bool) -> Option<(usize, usize)> {
    let index = matrix.iter().position(|x| !is_right(*x))?;
    Some((index % matrix.nrows(), index / matrix.nrows()))
}

/// Fails if an entry differs by more than the limit.
pub(crate) fn require_entries(name: &str, found: &Matrix, expected: &Matrix, limit: f64) -> Result<(), String> {
    match first_not(&(found - expected), |x| x.abs() <= limit) {
        None => Ok(()),
        Some((i, j)) => Err(format!(
            "entry ({}, {}) of {name} is {}, but should be {}",
            i + 1,
            j + 1,
            found[(i, j)],
            expected[(i, j)]
        )),
    }
}

/// Fails if a value is larger than its predecessor.
pub(crate) fn require_descending(name: &str, values: &Matrix) -> Result<(), String> {
    match values.as_slice().windows(2).find(|pair| pair[0] < pair[1]) {
        None => Ok(()),
        Some(pair) => Err(format!(
            "{name} are not in descending order ({} before {})",
            pair[0], pair[1]
        )),
    }
}

/// Fails if singular values are negative or do not descend.
pub(crate) fn require_singular_values(values: &Matrix) -> Result<(), String> {
    match values.iter().find(|value| **value < 0.0) {
        Some(value) => Err(format!("singular values must not be negative, but one is {value}")),
        None => require_descending("singular values", values),
    }
}

/// Fails if columns are not orthonormal.
pub(crate) fn require_orthonormal(name: &str, matrix: &Matrix) -> Result<(), String> {
    let gram = matrix.tr_mul(matrix);
    let wrong = first_not(&deviation_from_identity(gram.clone()), |x| x.abs() <= TOLERANCE);
    match wrong.map(|(i, j)| (i.min(j), i.max(j))) {
        None => Ok(()),
        Some((i, j)) if i == j => Err(format!(
            "{name} {} has length {}, not 1",
            i + 1,
            short(gram[(i, i)].sqrt())
        )),
        Some((i, j)) => Err(format!(
            "{name}s {} and {} are not orthogonal: their product is {}",
            i + 1,
            j + 1,
            short(gram[(i, j)])
        )),
    }
}

/// Fails if mirrored entries differ.
pub(crate) fn require_symmetric(matrix: &Matrix) -> Result<(), String> {
    let limit = TOLERANCE * matrix.amax();
    match first_not(&(matrix - matrix.transpose()), |x| x.abs() <= limit) {
        None => Ok(()),
        Some((i, j)) => Err(format!(
            "the operand must be symmetric, but entry ({}, {}) is {} and entry ({}, {}) is {}",
            j + 1,
            i + 1,
            matrix[(j, i)],
            i + 1,
            j + 1,
            matrix[(i, j)]
        )),
    }
}

/// Fails if a residual exceeds the tolerance relative to a scale, e.g. if `|A v - λ v|` exceeds `TOLERANCE * |A|`.
pub(crate) fn require_small(name: &str, residual: f64, scale: f64, scale_name: &str) -> Result<(), String> {
    if residual <= TOLERANCE * scale {
        Ok(())
    } else {
        Err(format!(
            "residual {name} is {}, above {TOLERANCE:e} of {scale_name}",
            short(residual)
        ))
    }
}

/// A number with at most four significant digits.
fn short(value: f64) -> String {
    match format!("{value:.3e}").parse::<f64>() {
        Ok(rounded) if (1e-3..1e6).contains(&rounded.abs()) => rounded.to_string(),
        Ok(rounded) => format!("{rounded:e}"),
        Err(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[f64]) -> Matrix {
        Matrix::from_column_slice(values.len(), 1, values)
    }

    #[test]
    fn relative_l1_is_the_sum_of_errors_over_the_sum_of_the_truth() {
        let truth = [column(&[3.0, -1.0])];
        assert_eq!(relative_l1(&truth, &[column(&[2.5, -1.5])]), 0.25);
        assert_eq!(relative_l1(&truth, &truth), 0.0);
    }

    #[test]
    fn errors_that_are_not_numbers_count_as_infinite() {
        let truth = [column(&[1.0, 2.0])];
        assert_eq!(relative_l1(&truth, &[column(&[f64::NAN, 2.0])]), f64::INFINITY);
        assert_eq!(relative_l1(&truth, &[column(&[f64::INFINITY, 2.0])]), f64::INFINITY);
        assert_eq!(relative_l1(&truth, &[column(&[1.0])]), f64::INFINITY);
        assert_eq!(relative_l1(&truth, &[]), f64::INFINITY);
        assert_eq!(relative_l1(&[column(&[0.0])], &[column(&[1.0])]), f64::INFINITY);
        assert_eq!(relative_l1(&[column(&[0.0])], &[column(&[0.0])]), 0.0);
    }

    #[test]
    fn parts_and_grams_of_a_matrix_are_those_by_hand() {
        let wide = Matrix::from_row_slice(2, 3, &[1.0, 2.0, 0.0, 0.0, 1.0, 3.0]);
        let gram = Matrix::from_row_slice(2, 2, &[5.0, 2.0, 2.0, 10.0]);
        assert_eq!(smaller_gram(&wide), gram);
        assert_eq!(smaller_gram(&wide.transpose()), gram);
        let square = Matrix::from_row_slice(2, 2, &[1.0, 2.0, 6.0, 3.0]);
        assert_eq!(
            symmetric_part(&square),
            Matrix::from_row_slice(2, 2, &[1.0, 4.0, 4.0, 3.0])
        );
    }

    #[test]
    fn a_number_that_is_not_finite_is_named() {
        let bad = Matrix::from_row_slice(1, 2, &[1.0, f64::INFINITY]);
        let told = |matrices: &[Matrix]| require_finite("operand", matrices).unwrap_err();
        assert_eq!(
            told(std::slice::from_ref(&bad)),
            "entry (1, 2) of the operand is inf, not a finite number"
        );
        assert!(told(&[Matrix::zeros(1, 1), bad]).starts_with("entry (1, 2) of operand 2 is inf"));
    }

    #[test]
    fn residuals_are_written_short() {
        assert_eq!(short(0.300_000_000_04), "0.3");
        assert_eq!(short(1.234_567e-5), "1.235e-5");
        assert_eq!(short(f64::INFINITY), "inf");
    }
}
