//! Repair: one iteration that improves a nearly correct answer, from the operand and the answer alone.

use super::entry;
use crate::matrix::Matrix;
use crate::problem::{Problem, measure};

/// Computes a better answer from the first operand and an answer.
pub(super) type Repair = fn(&Matrix, &[Matrix]) -> Vec<Matrix>;

const TABLE: &[(&str, Repair)] = &[
    ("eigenvalues", eigenvalues),
    ("eigenvectors", eigenvectors),
    ("inverse", inverse),
    ("symmetric-inverse", inverse),
    ("singular-values", singular_values),
    ("svd", svd),
];

/// The repair step of a problem; `None` if it has none.
pub(super) fn repair_of(problem: &dyn Problem) -> Option<Repair> {
    entry(TABLE, problem)
}

/// Names of the problems that have a repair step.
pub(super) fn repairable() -> Vec<&'static str> {
    TABLE.iter().map(|(name, _)| *name).collect()
}

fn eigenvalues(matrix: &Matrix, prediction: &[Matrix]) -> Vec<Matrix> {
    vec![eigenvalue_step(&measure::symmetric_part(matrix), &prediction[0])]
}

/// Makes the vectors more orthonormal, and computes the best values for them.
fn eigenvectors(matrix: &Matrix, prediction: &[Matrix]) -> Vec<Matrix> {
    let vectors = orthonormal_step(&prediction[1]);
    vec![values_of(&vectors, matrix, &vectors), vectors]
}

fn inverse(matrix: &Matrix, prediction: &[Matrix]) -> Vec<Matrix> {
    vec![inverse_step(matrix, &prediction[0])]
}

fn singular_values(matrix: &Matrix, prediction: &[Matrix]) -> Vec<Matrix> {
    let squares = eigenvalue_step(&measure::smaller_gram(matrix), &measure::squares(&prediction[0]));
    vec![squares.map(|square| square.max(0.0).sqrt())]
}

/// Makes the vectors more orthonormal, and computes the best values for them.
fn svd(matrix: &Matrix, prediction: &[Matrix]) -> Vec<Matrix> {
    let (u, v) = (orthonormal_step(&prediction[0]), orthonormal_step(&prediction[2]));
    let values = values_of(&u, matrix, &v);
    vec![u, values, v]
}

/// A Newton–Schulz step towards the inverse: `P (2 I - A P)`. It squares the error `A P - I` if its norm is below 1.
fn inverse_step(a: &Matrix, p: &Matrix) -> Matrix {
    p * (identity(a.nrows()) * 2.0 - a * p)
}

/// A Newton–Schulz step towards the nearest matrix with orthonormal columns: `V (3 I - VᵀV) / 2`.
fn orthonormal_step(v: &Matrix) -> Matrix {
    v * (identity(v.ncols()) * 3.0 - v.tr_mul(v)) * 0.5
}

/// The best values for given vectors (Rayleigh quotients): `diag(UᵀAV)`.
fn values_of(u: &Matrix, a: &Matrix, v: &Matrix) -> Matrix {
    let products = u.tr_mul(&(a * v));
    Matrix::from_fn(products.nrows().min(products.ncols()), 1, |i, _| products[(i, i)])
}

/// A Weierstrass–Durand–Kerner step towards all roots of the characteristic polynomial:
/// `λᵢ - det(λᵢ I - A) / Π (λᵢ - λⱼ)`; descending.
fn eigenvalue_step(a: &Matrix, values: &Matrix) -> Matrix {
    let n = a.nrows();
    let mut better: Vec<f64> = (0..n)
        .map(|i| {
            let characteristic = (identity(n) * values[i] - a).determinant();
            let others = (0..n).filter(|&j| j != i).map(|j| values[i] - values[j]);
            values[i] - characteristic / others.product::<f64>()
        })
        .collect();
    better.sort_unstable_by(|a, b| b.total_cmp(a));
    Matrix::from_column_slice(n, 1, &better)
}

fn identity(n: usize) -> Matrix {
    Matrix::identity(n, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::Checker;
    use crate::matrix::{Address, Distribution, Shape, Split};
    use crate::problem::ALL;

    /// Operands, the solution, and a copy whose entries have errors up to a fraction of the largest entry.
    fn nearly_right(problem: &dyn Problem, index: u64, share: f64) -> (Vec<Matrix>, Vec<Matrix>, Vec<Matrix>) {
        use rand::RngExt;
        let size = Shape::new(4, 4);
        let address = Address {
            seed: 5,
            split: Split::Test,
            index,
        };
        let mut generator = address.generator(0);
        let zeros = |shapes: Vec<Shape>| -> Vec<Matrix> {
            shapes
                .iter()
                .map(|shape| Matrix::zeros(shape.rows, shape.cols))
                .collect()
        };
        let mut operands = zeros(problem.operand_shapes(size));
        problem.sample(&Distribution::default(), &mut generator, &mut operands);
        let mut solution = zeros(problem.solution_shapes(size));
        problem.solve(&operands, &mut solution).unwrap();
        let mut near = solution.clone();
        for matrix in &mut near {
            let largest = matrix.amax();
            matrix.apply(|x| *x += largest * generator.random_range(-share..share));
        }
        (operands, solution, near)
    }

    #[test]
    fn only_solutions_have_residual_zero() {
        for &problem in ALL {
            let checker = Checker::new(problem).unwrap();
            for index in 0..20 {
                let (operands, solution, near) = nearly_right(problem, index, 0.1);
                let zeros: Vec<Matrix> = solution.iter().map(|matrix| matrix * 0.0).collect();
                let answers = [&solution[..], &near, &zeros, &[]].map(|answer| (&operands[..], answer));
                let found = checker.residuals(&answers).unwrap();
                let [of_solution, of_near, of_zeros, of_none] = found[..] else {
                    panic!("{found:?}")
                };
                assert!(
                    of_solution < 1e-5 && of_near > 1e-3 && of_zeros >= 0.49,
                    "{}: {found:?}",
                    problem.name()
                );
                assert_eq!(of_none, f64::INFINITY);
            }
        }
    }

    #[test]
    fn a_repair_step_reduces_residuals() {
        for (name, repair) in TABLE {
            let problem = crate::problem::named(name).unwrap();
            let checker = Checker::new(problem).unwrap();
            let ratios = (0..40).map(|index| {
                let (operands, _, near) = nearly_right(problem, index, 1e-3);
                let better = repair(&operands[0], &near);
                let found = checker.residuals(&[(&operands, &better), (&operands, &near)]).unwrap();
                found[0] / found[1]
            });
            let mut ratios: Vec<f64> = ratios.collect();
            ratios.sort_by(f64::total_cmp);
            println!("{}: {:.2e}", problem.name(), ratios[20]);
            assert!(
                ratios[20] < if problem.solution().len() > 1 { 0.7 } else { 0.1 },
                "{}: {ratios:?}",
                problem.name()
            );
        }
    }
}
