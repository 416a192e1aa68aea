//! What symmetries do to problems and their solutions.

use super::*;
use crate::matrix::{Address, Distribution, Shape, Split};
use crate::problem::ALL;

/// Operands of every problem at several sizes, each with a generator.
pub(in crate::problem) fn cases() -> Vec<(&'static dyn Problem, Vec<Matrix>, Generator)> {
    let mut cases = Vec::new();
    for &problem in ALL {
        let square = [Shape::new(2, 2), Shape::new(4, 4)];
        let others = [Shape::new(2, 4), Shape::new(5, 3)];
        let sizes = square.iter().chain(others.iter().filter(|_| !problem.needs_square()));
        for (index, &size) in (0..).zip(sizes) {
            let address = Address {
                seed: 3,
                split: Split::Test,
                index,
            };
            let mut generator = address.generator(0);
            let mut operands = zeros(problem.operand_shapes(size));
            problem.sample(&Distribution::default(), &mut generator, &mut operands);
            cases.push((problem, operands, generator));
        }
    }
    cases
}

fn zeros(shapes: Vec<Shape>) -> Vec<Matrix> {
    let zeros = shapes.iter().map(|shape| Matrix::zeros(shape.rows, shape.cols));
    zeros.collect()
}

pub(in crate::problem) fn solved(problem: &dyn Problem, operands: &[Matrix]) -> Vec<Matrix> {
    let mut solution = zeros(problem.solution_shapes(Shape::of(&operands[0])));
    problem.solve(operands, &mut solution).unwrap();
    solution
}

fn distance(a: &[Matrix], b: &[Matrix]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).amax()).fold(0.0, f64::max)
}

fn root_mean_square<'a>(entries: impl ExactSizeIterator<Item = &'a f64>) -> f64 {
    let count = entries.len() as f64;
    (entries.map(|x| x * x).sum::<f64>() / count).sqrt()
}

#[test]
fn rows_and_columns_of_an_inverse_come_to_one_root_mean_square() {
    for name in ["inverse", "symmetric-inverse"] {
        let problem = crate::problem::named(name).unwrap();
        let matrix = Matrix::from_row_slice(3, 3, &[100.0, 2.0, 0.5, 2.0, 0.03, -0.02, 0.5, -0.02, 0.004]);
        let form = Symmetry::canonical(problem, std::slice::from_ref(&matrix)).transform(std::slice::from_ref(&matrix));
        let whole = root_mean_square(matrix.iter());
        for row in form[0].row_iter() {
            let own = root_mean_square(row.iter());
            assert!((own / whole - 1.0).abs() < 0.05, "{name}: {own} of {whole}");
        }
    }
}

#[test]
fn solutions_of_permuted_problems_give_back_the_solution() {
    for (problem, operands, mut generator) in cases() {
        let symmetry = Symmetry::draw(problem, &operands, &mut generator);
        let moved = symmetry.transform(&operands);
        assert_ne!(moved, operands, "{}", problem.name());
        assert_eq!(problem.check_operands(&moved), Ok(()));
        let restored = symmetry.restore(&solved(problem, &moved));
        assert_eq!(problem.check(&operands, &restored), Ok(()), "{}", problem.name());
    }
}

#[test]
fn equivalent_problems_have_one_canonical_form() {
    for (problem, operands, mut generator) in cases() {
        let canonical = |operands: &[Matrix]| Symmetry::canonical(problem, operands).transform(operands);
        let form = canonical(&operands);
        assert_eq!(problem.check_operands(&form), Ok(()));
        if !problem.invariance().scales {
            // Scaled once more, rows and columns would come still nearer to one root mean square.
            assert_eq!(canonical(&form), form, "{}: it is its own form", problem.name());
        }
        let axes = problem.invariance().operands;
        let product = axes.len() == 2 && axes[1].0 == Axis::Cols;
        let drawn = Symmetry::draw(problem, &operands, &mut generator);
        // Rows of A and columns of B keep their places in a product.
        let rows = if product { operands[0].nrows() } else { 0 };
        let others = if product { drawn.others.places.len() } else { 0 };
        let still = |drawn: Monomial, length: usize| Monomial {
            places: if length > 0 {
                (0..length).collect()
            } else {
                drawn.places
            },
            factors: drawn.factors,
        };
        let drawn = Symmetry {
            rows: still(drawn.rows, rows),
            others: still(drawn.others, others),
            ..drawn
        };
        let moved = drawn.transform(&operands);
        assert!(distance(&canonical(&moved), &form) < 1e-12, "{}", problem.name());
    }
}

#[test]
fn solutions_of_canonical_problems_give_back_the_solution() {
    for (problem, operands, _) in cases() {
        let symmetry = Symmetry::canonical(problem, &operands);
        let solution = solved(problem, &operands);
        let form = symmetry.transform(&operands);
        let mut expected = symmetry.transform_solution(&solution);
        problem.fix_signs(&mut expected);
        assert_eq!(problem.check(&form, &expected), Ok(()), "{}", problem.name());
        let mut restored = symmetry.restore(&solved(problem, &form));
        problem.fix_signs(&mut restored);
        assert_eq!(problem.check(&operands, &restored), Ok(()), "{}", problem.name());
    }
}

#[test]
fn a_canonical_form_is_as_described() {
    let matrix = |rows: usize, cols: usize, entries: &[f64]| Matrix::from_row_slice(rows, cols, entries);
    let form = |problem: &str, operands: &[Matrix]| {
        let problem = crate::problem::named(problem).unwrap();
        Symmetry::canonical(problem, operands).transform(operands)
    };
    let symmetric = matrix(3, 3, &[1.0, -2.0, 4.0, -2.0, 7.0, -5.0, 4.0, -5.0, 3.0]);
    assert_eq!(
        form("eigenvalues", &[symmetric])[0],
        matrix(3, 3, &[7.0, 5.0, 2.0, 5.0, 3.0, 4.0, 2.0, 4.0, 1.0])
    );
    let general = matrix(2, 3, &[1.0, 2.0, 3.0, -4.0, 6.0, -9.0]);
    assert_eq!(
        form("svd", &[general])[0],
        matrix(2, 3, &[9.0, 6.0, 4.0, 3.0, -2.0, 1.0])
    );
    let (a, v) = (matrix(1, 3, &[-5.0, 7.0, 9.0]), matrix(3, 1, &[1.0, -3.0, 2.0]));
    assert_eq!(
        form("matrix-vector", &[a, v]),
        [matrix(1, 3, &[7.0, -9.0, 5.0]), matrix(3, 1, &[3.0, 2.0, 1.0])]
    );
}
