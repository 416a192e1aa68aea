//! Eigenvalues and eigenvectors of symmetric matrices: the values (n×1) descend, the vectors are columns (n×n). The
//! sign of a vector makes its entry of largest magnitude positive.

use super::{Check, Degree, Facts, Invariance, Part, Problem, Side, Structure, Unsolvable, measure};
use crate::matrix::{Matrix, basis, decomposition};

const FACTS: Facts = Facts {
    structure: Structure::Symmetric,
    solution: &[Part::column(Side::Rows), Part::SAME],
    invariance: Invariance::degrees(&[Degree::Fixed(1), Degree::Fixed(0)]).with_shifts(),
    vectors: &[1],
    ..Facts::unary(Check::Eigenvectors)
};

#[derive(Debug)]
pub struct Eigenvectors;

impl Problem for Eigenvectors {
    fn name(&self) -> &'static str {
        "eigenvectors"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        let (values, vectors) = solution.split_at_mut(1);
        Ok(decomposition::eigen(
            &operands[0],
            values[0].as_mut_slice(),
            &mut vectors[0],
        )?)
    }

    /// Rotates the vectors of nearly equal values to [a basis that depends only on their span](basis::rotation).
    fn settle(&self, solution: &mut [Matrix]) {
        let [values, vectors] = solution else { return };
        let values = values.as_slice();
        let limit = basis::CLOSENESS * (values[0] - values[values.len() - 1]);
        for cluster in basis::clusters(values, limit) {
            if let Ok(rotation) = basis::rotation(vectors, &cluster) {
                basis::rotate(vectors, &cluster, &rotation);
            }
        }
        (self as &dyn Problem).fix_signs(solution);
    }

    /// `Σ|VᵀAV - diag(l)| / Σ|l|`, where V and l are predicted.
    fn error(&self, operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        if !measure::is_comparable(solution, prediction) {
            return f64::INFINITY;
        }
        measure::diagonalization_error(&operands[0], &prediction[1], &prediction[0], &prediction[1])
    }

    /// Accepts any signs, and any basis of the vectors of a repeated value.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let (matrix, values, vectors) = (&operands[0], &solution[0], &solution[1]);
        measure::require_descending("eigenvalues", values)?;
        measure::require_orthonormal("eigenvector", vectors)?;
        let scale = measure::norm(matrix);
        for (vector, value) in vectors.column_iter().zip(values.iter()) {
            let residual = (matrix * vector - vector * *value).norm();
            measure::require_small("|A v - λ v|", residual, scale, "|A|")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::{parse, parse_list};

    const PROBLEM: &dyn Problem = &Eigenvectors;

    const EXACT: &str = "[[[3],[1]],[[0.70710678,0.70710678],[0.70710678,-0.70710678]]]";

    fn operands() -> Vec<Matrix> {
        vec![parse("[[2,1],[1,2]]").unwrap()]
    }

    #[test]
    fn the_largest_entry_of_each_vector_is_positive() {
        let operands = [parse("[[0,2],[2,-3]]").unwrap()];
        let mut solution = [Matrix::zeros(2, 1), Matrix::zeros(2, 2)];
        PROBLEM.solve(&operands, &mut solution).unwrap();
        let root = 5f64.sqrt();
        let vectors = Matrix::from_row_slice(2, 2, &[2.0 / root, -1.0 / root, 1.0 / root, 2.0 / root]);
        assert!((&solution[0] - parse("[[1],[-4]]").unwrap()).amax() < 1e-14);
        assert!((&solution[1] - vectors).amax() < 1e-14);
    }

    #[test]
    fn the_error_measures_how_well_the_prediction_diagonalizes() {
        // VᵀAV = A with V = I. Errors are 1 + 1 off the diagonal and |2 - 3| + |2 - 1| on it; Σ|l| = 4.
        let solution = parse_list(EXACT).unwrap();
        let prediction = parse_list("[[[3],[1]],[[1,0],[0,1]]]").unwrap();
        assert_eq!(PROBLEM.error(&operands(), &solution, &prediction), 1.0);
        assert!(PROBLEM.error(&operands(), &solution, &solution) < 1e-7);
        let zero = parse_list("[[[0],[0]],[[0,0],[0,0]]]").unwrap();
        assert_eq!(PROBLEM.error(&operands(), &solution, &zero), 0.0);
    }

    #[test]
    fn settled_vectors_of_equal_values_depend_on_the_matrix_alone() {
        // 3 I + J has the eigenvalues 6, 3, 3.
        let matrix = parse("[[4,1,1],[1,4,1],[1,1,4]]").unwrap();
        let mut solution = vec![Matrix::zeros(3, 1), Matrix::zeros(3, 3)];
        PROBLEM.solve(std::slice::from_ref(&matrix), &mut solution).unwrap();
        PROBLEM.settle(&mut solution);
        assert_eq!(PROBLEM.check(std::slice::from_ref(&matrix), &solution), Ok(()));
        let mut other = solution.clone();
        let (sine, cosine) = 1f64.sin_cos();
        let rotation = Matrix::from_row_slice(2, 2, &[cosine, -sine, sine, cosine]);
        basis::rotate(&mut other[1], &(1..3), &rotation);
        PROBLEM.settle(&mut other);
        assert!((&solution[1] - &other[1]).amax() < 1e-14);
        let mut identity = vec![parse("[[2],[2]]").unwrap(), parse("[[0.6,-0.8],[0.8,0.6]]").unwrap()];
        PROBLEM.settle(&mut identity);
        assert!((&identity[1] - Matrix::identity(2, 2)).amax() < 1e-15);
    }

    #[test]
    fn settling_keeps_vectors_of_different_values() {
        let exact = parse_list(EXACT).unwrap();
        let mut settled = exact.clone();
        PROBLEM.settle(&mut settled);
        assert_eq!(settled, exact);
    }

    #[test]
    fn any_signs_and_eight_digits_pass() {
        assert_eq!(PROBLEM.check(&operands(), &parse_list(EXACT).unwrap()), Ok(()));
        let flipped = "[[[3],[1]],[[-0.70710678,-0.70710678],[-0.70710678,0.70710678]]]";
        assert_eq!(PROBLEM.check(&operands(), &parse_list(flipped).unwrap()), Ok(()));
    }

    #[test]
    fn wrong_solutions_are_named() {
        let message = |text: &str| PROBLEM.check(&operands(), &parse_list(text).unwrap()).unwrap_err();
        let swapped = "[[[3],[1]],[[0.70710678,0.70710678],[-0.70710678,0.70710678]]]";
        assert_eq!(message(swapped), "residual |A v - λ v| is 2, above 1e-6 of |A|");
        assert_eq!(
            message("[[[3],[1]],[[1,1],[1,-1]]]"),
            "eigenvector 1 has length 1.414, not 1"
        );
        let parallel = "[[[3],[1]],[[0.70710678,0.70710678],[0.70710678,0.70710678]]]";
        assert_eq!(
            message(parallel),
            "eigenvectors 1 and 2 are not orthogonal: their product is 1"
        );
        assert_eq!(
            message("[[[3],[1]]]"),
            "the solution has shapes 2x1, but should have 2x1, 2x2"
        );
    }

    #[test]
    fn values_close_to_each_other_for_the_width_of_the_spectrum_share_a_basis() {
        let values = || parse("[[100],[50.3],[50],[0]]").unwrap();
        let settled = |angle: f64| {
            let mut vectors = Matrix::identity(4, 4);
            let (sine, cosine) = angle.sin_cos();
            vectors
                .view_mut((1, 1), (2, 2))
                .copy_from_slice(&[cosine, sine, -sine, cosine]);
            let mut solution = [values(), vectors];
            PROBLEM.settle(&mut solution);
            let [_, vectors] = solution;
            vectors
        };
        assert!((settled(0.0) - settled(0.7)).amax() < 1e-9);
    }
}
