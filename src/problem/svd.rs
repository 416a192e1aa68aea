//! The reduced singular value decomposition A = U diag(S) Vᵀ of an r×c matrix with k = min(r, c): U (r×k), S (k×1,
//! descending) and V (c×k). The sign of each column of U makes its entry of largest magnitude positive.

use super::{Check, Degree, Facts, Invariance, Part, Problem, Side, Unsolvable, measure};
use crate::matrix::{Matrix, basis, decomposition};

const FACTS: Facts = Facts {
    solution: &[
        Part::matrix(Side::Rows, Side::Smaller),
        Part::column(Side::Smaller),
        Part::transposed(Side::Cols, Side::Smaller),
    ],
    invariance: Invariance::degrees(&[Degree::Fixed(0), Degree::Fixed(1), Degree::Fixed(0)]),
    vectors: &[0, 2],
    ..Facts::unary(Check::Svd)
};

#[derive(Debug)]
pub struct Svd;

impl Problem for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn solve(&self, operands: &[Matrix], solution: &mut [Matrix]) -> Result<(), Unsolvable> {
        let (u, rest) = solution.split_at_mut(1);
        let (values, v) = rest.split_at_mut(1);
        Ok(decomposition::svd(
            &operands[0],
            &mut u[0],
            values[0].as_mut_slice(),
            &mut v[0],
        )?)
    }

    /// Rotates the vectors of nearly equal values to [a basis that depends only on their span](basis::rotation). The
    /// rotation is computed from V and also applied to U. For values near zero, U and V have separate rotations.
    fn settle(&self, solution: &mut [Matrix]) {
        let [u, values, v] = solution else { return };
        let values = values.as_slice();
        let limit = basis::CLOSENESS * values[0];
        for cluster in basis::clusters(values, limit) {
            let is_zero = values[cluster.start] <= limit;
            let of_v = basis::rotation(v, &cluster);
            let of_u = if is_zero {
                basis::rotation(u, &cluster)
            } else {
                of_v.clone()
            };
            if let (Ok(of_u), Ok(of_v)) = (of_u, of_v) {
                basis::rotate(u, &cluster, &of_u);
                basis::rotate(v, &cluster, &of_v);
            }
        }
        let zeros = values.iter().take_while(|value| **value > limit).count()..values.len();
        (self as &dyn Problem).fix_signs(solution);
        // The signs of two vectors of a value near zero are independent.
        for mut vector in solution[2].columns_mut(zeros.start, zeros.len()).column_iter_mut() {
            let sign = decomposition::fix_sign(vector.iter());
            vector *= sign;
        }
    }

    /// `Σ|UᵀAV - diag(s)| / Σ|s|`, where U, s and V are predicted.
    fn error(&self, operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        if !measure::is_comparable(solution, prediction) {
            return f64::INFINITY;
        }
        measure::diagonalization_error(&operands[0], &prediction[0], &prediction[1], &prediction[2])
    }

    /// Accepts any signs, and any bases of the vectors of a repeated value.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let (u, values, v) = (&solution[0], &solution[1], &solution[2]);
        measure::require_singular_values(values)?;
        measure::require_orthonormal("column of U", u)?;
        measure::require_orthonormal("column of V", v)?;
        let rebuilt = u * Matrix::from_diagonal(&values.column(0).into_owned()) * v.transpose();
        measure::require_small(
            "|A - U S V'|",
            (&operands[0] - rebuilt).norm(),
            measure::norm(&operands[0]),
            "|A|",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::{parse, parse_list};

    const PROBLEM: &dyn Problem = &Svd;

    fn operands() -> Vec<Matrix> {
        vec![parse("[[0,-3],[4,0]]").unwrap()]
    }

    const EXACT: &str = "[[[0,1],[1,0]],[[4],[3]],[[1,0],[0,-1]]]";

    #[test]
    fn the_signs_are_fixed_on_u_and_v_follows() {
        let mut solution = [Matrix::zeros(2, 2), Matrix::zeros(2, 1), Matrix::zeros(2, 2)];
        PROBLEM.solve(&operands(), &mut solution).unwrap();
        for (found, expected) in solution.iter().zip(parse_list(EXACT).unwrap()) {
            assert!((found - expected).amax() < 1e-14, "{found}");
        }
    }

    #[test]
    fn settled_vectors_of_equal_values_depend_on_the_matrix_alone() {
        // A rotation has the singular values 1, 1: V becomes the identity, and U the rotation. For the zero matrix both
        // become the identity.
        let (sine, cosine) = 0.5f64.sin_cos();
        let rotation = Matrix::from_row_slice(2, 2, &[cosine, -sine, sine, cosine]);
        let basis = Matrix::from_row_slice(2, 2, &[0.6, -0.8, 0.8, 0.6]);
        let mut solution = [&rotation * &basis, parse("[[1],[1]]").unwrap(), basis.clone()];
        PROBLEM.settle(&mut solution);
        assert!((&solution[0] * solution[2].transpose() - &rotation).amax() < 1e-15);
        assert!((solution[2].map(f64::abs) - Matrix::identity(2, 2)).amax() < 1e-15);
        let mut zero = [basis.clone(), Matrix::zeros(2, 1), basis.transpose()];
        PROBLEM.settle(&mut zero);
        assert!((&zero[0] - Matrix::identity(2, 2)).amax() < 1e-15);
        assert!((&zero[2] - Matrix::identity(2, 2)).amax() < 1e-15);
    }

    #[test]
    fn the_error_measures_how_well_the_predicted_factors_diagonalize() {
        let solution = parse_list(EXACT).unwrap();
        assert_eq!(PROBLEM.error(&operands(), &solution, &solution), 0.0);
        // UᵀAV = A for U = V = I. Errors are 3 + 4 off the diagonal and 4 + 3 on it; Σ|s| = 7.
        let prediction = parse_list("[[[1,0],[0,1]],[[4],[3]],[[1,0],[0,1]]]").unwrap();
        assert_eq!(PROBLEM.error(&operands(), &solution, &prediction), 2.0);
    }

    #[test]
    fn any_signs_pass_and_wrong_factors_are_named() {
        let check = |text: &str| PROBLEM.check(&operands(), &parse_list(text).unwrap());
        assert_eq!(check(EXACT), Ok(()));
        assert_eq!(check("[[[0,-1],[-1,0]],[[4],[3]],[[-1,0],[0,1]]]"), Ok(()));
        let message = |text: &str| check(text).unwrap_err();
        assert_eq!(
            message("[[[0,1],[1,0]],[[4],[3]],[[1,0],[0,1]]]"),
            "residual |A - U S V'| is 6, above 1e-6 of |A|"
        );
        assert_eq!(
            message("[[[0,1],[2,0]],[[4],[3]],[[1,0],[0,-1]]]"),
            "column of U 1 has length 2, not 1"
        );
    }
}
