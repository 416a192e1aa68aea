//! Deviations of answers from the properties of solutions.

use super::entry;
use crate::matrix::Matrix;
use crate::problem::{Problem, measure};

type Deviations = Vec<(&'static str, f64)>;
/// A function of the first operand, the solution and the answer.
type OfAnswer = fn(&Matrix, &[Matrix], &[Matrix]) -> Deviations;

const TABLE: &[(&str, OfAnswer)] = &[
    ("eigenvalues", of_values),
    ("eigenvectors", of_eigenvectors),
    ("inverse", of_inverse),
    ("symmetric-inverse", of_inverse),
    ("singular-values", of_values),
    ("svd", of_svd),
];

/// The deviation of an answer from each property of solutions, by name. The shapes of the answer may be wrong. Empty
/// for problems whose only property is the error.
pub(super) fn properties(
    problem: &dyn Problem,
    operands: &[Matrix],
    solution: &[Matrix],
    prediction: &[Matrix],
) -> Deviations {
    entry(TABLE, problem).map_or_else(Vec::new, |of| of(&operands[0], solution, prediction))
}

fn of_values(_matrix: &Matrix, solution: &[Matrix], prediction: &[Matrix]) -> Deviations {
    let [first, last] = errors_of_ends(solution, prediction);
    vec![("the largest value", first), ("the smallest value", last)]
}

fn of_inverse(matrix: &Matrix, solution: &[Matrix], prediction: &[Matrix]) -> Deviations {
    let [inverse] = prediction else { return Vec::new() };
    vec![
        ("coefficients", measure::relative_l1(solution, prediction)),
        ("P A = I", measure::inversion_error(inverse, matrix)),
    ]
}

fn of_eigenvectors(matrix: &Matrix, solution: &[Matrix], prediction: &[Matrix]) -> Deviations {
    let [values, vectors] = prediction else {
        return Vec::new();
    };
    vec![
        ("eigenvalues", measure::relative_l1(&solution[..1], &prediction[..1])),
        ("unit norms", norm_error(vectors)),
        ("orthogonal vectors", orthogonality_error(vectors)),
        ("A V = V L", eigen_equation_error(matrix, values, vectors)),
    ]
}

fn of_svd(matrix: &Matrix, solution: &[Matrix], prediction: &[Matrix]) -> Deviations {
    let [u, values, v] = prediction else { return Vec::new() };
    let rebuilt = u * Matrix::from_diagonal(&values.column(0).into_owned()) * v.transpose();
    vec![
        (
            "singular values",
            measure::relative_l1(&solution[1..2], &prediction[1..2]),
        ),
        ("unit norms of U", norm_error(u)),
        ("unit norms of V", norm_error(v)),
        ("orthogonal columns of U", orthogonality_error(u)),
        ("orthogonal columns of V", orthogonality_error(v)),
        (
            "U S V' = A",
            measure::relative_l1(std::slice::from_ref(matrix), &[rebuilt]),
        ),
    ]
}

/// `Σ|AV - V diag(l)| / Σ|V diag(l)|`
fn eigen_equation_error(a: &Matrix, values: &Matrix, v: &Matrix) -> f64 {
    if v.nrows() != a.ncols() || v.ncols() != values.len() {
        return f64::INFINITY;
    }
    let scaled = Matrix::from_fn(v.nrows(), v.ncols(), |i, j| v[(i, j)] * values[j]);
    measure::ratio(measure::l1(&(a * v - &scaled)), measure::l1(&scaled))
}

/// `max | |v| - 1 |` over the columns.
fn norm_error(v: &Matrix) -> f64 {
    largest(v.column_iter().map(|column| (column.norm() - 1.0).abs()))
}

/// `max |vᵢ · vⱼ|` over pairs of different columns.
fn orthogonality_error(v: &Matrix) -> f64 {
    let products = v.tr_mul(v);
    let pairs = (0..v.ncols()).flat_map(|i| (0..i).map(move |j| (i, j)));
    largest(pairs.map(|pair| products[pair].abs()))
}

/// The largest deviation; infinite if one is not a number.
fn largest(deviations: impl Iterator<Item = f64>) -> f64 {
    deviations.fold(
        0.0,
        |largest, x| if x.is_nan() { f64::INFINITY } else { x.max(largest) },
    )
}

/// Relative errors of the first and the last value.
fn errors_of_ends(solution: &[Matrix], prediction: &[Matrix]) -> [f64; 2] {
    match (solution, prediction) {
        ([solution], [prediction]) if solution.len() == prediction.len() && !solution.is_empty() => {
            let last = solution.len() - 1;
            [0, last].map(|i| measure::ratio((prediction[i] - solution[i]).abs(), solution[i].abs()))
        }
        _ => [f64::INFINITY; 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_name_problems() {
        for (name, _) in TABLE {
            assert!(crate::problem::named(name).is_ok(), "{name}");
        }
    }
}
