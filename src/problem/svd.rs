//! The reduced singular value decomposition A = U diag(S) Vᵀ of a matrix r×c, k = min(r, c): U (r×k), S (k×1)
//! descending, V (c×k); each column of U has the sign that makes its entry of largest magnitude positive.

use super::{Form, Invariance, Problem, Repair, Signal, Unsolvable, property, repair, signal};
use crate::matrix::{Distribution, Generator, Matrix, Shape, decomposition};

#[derive(Debug)]
pub struct Svd;

impl Problem for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }

    fn operand_shapes(&self, size: Shape) -> Vec<Shape> {
        vec![size]
    }

    fn solution_shapes(&self, size: Shape) -> Vec<Shape> {
        let k = size.rows.min(size.cols);
        vec![Shape::new(size.rows, k), Shape::new(k, 1), Shape::new(size.cols, k)]
    }

    fn solution_forms(&self) -> &'static [Form] {
        &[Form::Matrix, Form::Column, Form::Transposed]
    }

    fn sample(&self, distribution: &Distribution, generator: &mut Generator, operands: &mut [Matrix]) {
        distribution.fill(generator, &mut operands[0]);
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

    /// `Σ|UᵀAV - diag(s)| / Σ|s|` with U, s and V predicted.
    fn error(&self, operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> f64 {
        if !property::is_comparable(solution, prediction) {
            return f64::INFINITY;
        }
        property::diagonalization_error(&operands[0], &prediction[0], &prediction[1], &prediction[2])
    }

    /// The largest of the error and of `Σ|UᵀU - I| / k` and `Σ|VᵀV - I| / k`, without which zeros would do.
    fn residual(&self, operands: &[Matrix], prediction: &[Matrix]) -> f64 {
        match prediction {
            [u, values, v] => property::diagonalization_error(&operands[0], u, values, v)
                .max(property::orthonormality_error(u))
                .max(property::orthonormality_error(v)),
            _ => f64::INFINITY,
        }
    }

    /// Vectors nearer to orthonormal, and the values that go best with them.
    fn repair(&self) -> Option<Repair> {
        Some(|operands, prediction| {
            let (u, v) = (
                repair::orthonormal_step(&prediction[0]),
                repair::orthonormal_step(&prediction[2]),
            );
            let values = repair::values_of(&u, &operands[0], &v);
            vec![u, values, v]
        })
    }

    fn properties(&self, operands: &[Matrix], solution: &[Matrix], prediction: &[Matrix]) -> Vec<(&'static str, f64)> {
        let [u, values, v] = prediction else { return Vec::new() };
        let rebuilt = u * Matrix::from_diagonal(&values.column(0).into_owned()) * v.transpose();
        vec![
            (
                "singular values",
                property::relative_l1(&solution[1..2], &prediction[1..2]),
            ),
            ("unit norms of U", property::norm_error(u)),
            ("unit norms of V", property::norm_error(v)),
            ("orthogonal columns of U", property::orthogonality_error(u)),
            ("orthogonal columns of V", property::orthogonality_error(v)),
            ("U S V' = A", property::relative_l1(&operands[..1], &[rebuilt])),
        ]
    }

    fn signals(&self, operands: &[Matrix], prediction: &[Matrix]) -> Vec<(Signal, f64)> {
        let [u, values, v] = prediction else { return Vec::new() };
        let mut exact = vec![0.0; values.len()];
        let known = decomposition::singular_values(&operands[0], &mut exact).is_ok();
        let gap = if known { signal::smallest_gap(&exact) } else { f64::NAN };
        vec![
            (Signal::of_input("condition of A"), signal::condition(&operands[0])),
            (Signal::of_input("smallest gap of singular values"), gap),
            (Signal::of_output("condition of U"), signal::condition(u)),
            (Signal::of_output("condition of V"), signal::condition(v)),
            (
                Signal::of_output("distance of U from orthonormal"),
                property::orthonormality_error(u),
            ),
            (
                Signal::of_output("distance of V from orthonormal"),
                property::orthonormality_error(v),
            ),
            (
                Signal::of_output("singular values out of order"),
                signal::disorder(values.as_slice()),
            ),
        ]
    }

    fn invariance(&self) -> Invariance {
        Invariance {
            degrees: &[0, 1, 0],
            shifts: false,
        }
    }

    fn vectors(&self) -> &'static [usize] {
        &[0, 2]
    }

    /// Any signs, and any bases of the vectors of a repeated value, are right.
    fn check_solution(&self, operands: &[Matrix], solution: &[Matrix]) -> Result<(), String> {
        let (u, values, v) = (&solution[0], &solution[1], &solution[2]);
        property::require_singular_values(values)?;
        property::require_orthonormal("column of U", u)?;
        property::require_orthonormal("column of V", v)?;
        let rebuilt = u * Matrix::from_diagonal(&values.column(0).into_owned()) * v.transpose();
        property::require_small(
            "|A - U S V'|",
            (&operands[0] - rebuilt).norm(),
            property::norm(&operands[0]),
            "|A|",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::text::{parse, parse_list};

    fn operands() -> Vec<Matrix> {
        vec![parse("[[0,-3],[4,0]]").unwrap()]
    }

    const EXACT: &str = "[[[0,1],[1,0]],[[4],[3]],[[1,0],[0,-1]]]";

    #[test]
    fn the_signs_are_fixed_on_u_and_v_follows() {
        let mut solution = [Matrix::zeros(2, 2), Matrix::zeros(2, 1), Matrix::zeros(2, 2)];
        Svd.solve(&operands(), &mut solution).unwrap();
        for (found, expected) in solution.iter().zip(parse_list(EXACT).unwrap()) {
            assert!((found - expected).amax() < 1e-14, "{found}");
        }
    }

    #[test]
    fn the_error_is_of_the_predicted_factors() {
        let solution = parse_list(EXACT).unwrap();
        assert_eq!(Svd.error(&operands(), &solution, &solution), 0.0);
        // UᵀAV = A with U = V = I: 3 + 4 off the diagonal, 4 + 3 on it; Σ|s| = 7.
        let prediction = parse_list("[[[1,0],[0,1]],[[4],[3]],[[1,0],[0,1]]]").unwrap();
        assert_eq!(Svd.error(&operands(), &solution, &prediction), 2.0);
    }

    #[test]
    fn any_signs_pass_and_wrong_factors_are_named() {
        let check = |text: &str| Svd.check(&operands(), &parse_list(text).unwrap());
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
