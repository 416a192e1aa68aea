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
    use crate::matrix::text::{parse, parse_list};
    use crate::problem::named;

    #[test]
    fn tables_name_problems() {
        for (name, _) in TABLE {
            assert!(crate::problem::named(name).is_ok(), "{name}");
        }
    }

    fn assert_properties(problem: &str, operand: &str, solution: &str, prediction: &str, expected: &[(&str, f64)]) {
        let operands = [parse(operand).unwrap()];
        let [solution, prediction] = [solution, prediction].map(|text| parse_list(text).unwrap());
        let found = properties(named(problem).unwrap(), &operands, &solution, &prediction);
        let names =
            |deviations: &[(&str, f64)]| deviations.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&found), names(expected));
        for ((name, found), (_, expected)) in found.iter().zip(expected) {
            assert!(
                found == expected || (found - expected).abs() < 1e-6,
                "{problem}, {name}: {found}"
            );
        }
    }

    #[test]
    fn ends_of_a_spectrum_have_relative_errors() {
        let expected = [("the largest value", 0.1), ("the smallest value", 0.5)];
        let operand = "[[4,0,0],[0,2,0],[0,0,-1]]";
        assert_properties(
            "eigenvalues",
            operand,
            "[[[4],[2],[-1]]]",
            "[[[4.4],[9],[-1.5]]]",
            &expected,
        );
        let unknown = expected.map(|(name, _)| (name, f64::INFINITY));
        assert_properties("singular-values", operand, "[[[4],[2],[1]]]", "[[[4]]]", &unknown);
    }

    #[test]
    fn an_inverse_is_compared_and_multiplied_from_the_left() {
        let expected = [("coefficients", 1.0 / 3.0), ("P A = I", 0.5)];
        assert_properties(
            "inverse",
            "[[1,1],[0,1]]",
            "[[[1,-1],[0,1]]]",
            "[[[1,-1],[0,2]]]",
            &expected,
        );
    }

    #[test]
    fn eigenvectors_have_norms_angles_and_an_equation() {
        let solution = "[[[2],[1]],[[1,0],[0,1]]]";
        let of = |prediction: &str, expected: [f64; 4]| {
            let names = ["eigenvalues", "unit norms", "orthogonal vectors", "A V = V L"];
            let expected: Vec<_> = names.into_iter().zip(expected).collect();
            assert_properties("eigenvectors", "[[2,0],[0,1]]", solution, prediction, &expected);
        };
        let norm = 1.45f64.sqrt() - 1.0;
        of("[[[2.2],[1]],[[1,0.1],[0,1.2]]]", [0.2 / 3.0, norm, 0.1, 0.3 / 3.5]);
        of("[[[2],[1]],[[1],[0]]]", [0.0, 0.0, 0.0, f64::INFINITY]);
        of("[[[2],[1]],[[1,0],[0,1],[0,0]]]", [0.0, 0.0, 0.0, f64::INFINITY]);
    }

    #[test]
    fn singular_vectors_have_norms_angles_and_a_product() {
        let expected = [
            ("singular values", 0.075),
            ("unit norms of U", 1.0),
            ("unit norms of V", 1.25f64.sqrt() - 1.0),
            ("orthogonal columns of U", 0.0),
            ("orthogonal columns of V", 0.5),
            ("U S V' = A", 0.575),
        ];
        let solution = "[[[1,0],[0,1]],[[3],[1]],[[1,0],[0,1]]]";
        let prediction = "[[[1,0],[0,2]],[[3.3],[1]],[[1,0.5],[0,1]]]";
        assert_properties("svd", "[[3,0],[0,1]]", solution, prediction, &expected);
    }

    #[test]
    fn answers_of_wrong_shapes_and_other_problems_have_no_properties() {
        for problem in ["inverse", "eigenvectors", "svd"] {
            assert_properties(
                problem,
                "[[1]]",
                "[[[1]],[[1]],[[1]]]",
                "[[[1]],[[1]],[[1]],[[1]]]",
                &[],
            );
        }
        assert_properties("transpose", "[[1]]", "[[[1]]]", "[[[1]]]", &[]);
    }

    #[test]
    fn a_deviation_that_is_no_number_is_infinite() {
        assert_eq!(
            norm_error(&Matrix::from_column_slice(2, 1, &[f64::NAN, 1.0])),
            f64::INFINITY
        );
        assert_eq!(largest([0.5, f64::NAN, 0.25].into_iter()), f64::INFINITY);
        assert_eq!(largest([0.5, 2.0, 0.25].into_iter()), 2.0);
    }
}
