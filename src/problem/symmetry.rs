//! Symmetries of problems: changes that make an equivalent problem, whose answer gives back that of the first.
//!
//! With P and Q signed permutations, `(P A Q)⁻¹ = Qᵀ A⁻¹ Pᵀ`, and `P A Pᵀ` has the eigenvalues of A. Coefficients only move
//! and change signs, so that an equivalent problem is as likely as the first wherever coefficients are alike and
//! symmetric around zero.
//!
//! Of all problems that are equivalent so, one is the canonical form. A model that only ever reads canonical forms has
//! 2ⁿ⁻¹ n! times less to learn of symmetric matrices, and (2ⁿ n!)² / 2 times less of others (canonicalization: Kaba et al.
//! 2023, arXiv 2211.06489).

use super::Problem;
use crate::matrix::{Generator, Matrix};
use rand::RngExt;
use std::borrow::Cow;

/// What happens to the rows or the columns of a matrix of a problem. The numbers are those of `torchscript/canonical.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// As to the rows of the first operand.
    Rows,
    /// As to the columns of the first operand.
    Cols,
    /// As to the columns of the second operand.
    Others,
    /// Nothing.
    Fixed,
}

/// What a problem's symmetries do to its matrices.
#[derive(Clone, Copy, Debug)]
pub struct Invariance {
    /// What happens to the rows and columns of each operand.
    pub operands: &'static [(Axis, Axis)],
    /// The same of each matrix of the solution.
    pub solution: &'static [(Axis, Axis)],
    /// The power of `s` by which each matrix of the solution grows where all operands are multiplied by `s`.
    pub degrees: &'static [i32],
    /// Whether `A + c I` adds `c` to the first matrix of the solution and leaves the others alone.
    pub shifts: bool,
    /// Whether rows and columns may be multiplied by numbers of their own, by which those of the solution, as they are said to
    /// move, are multiplied then.
    pub scales: bool,
}

/// A monomial matrix: moves entry `i` to `places[i]`, times `factors[i]`, which are signs where nothing is scaled.
#[derive(Clone, Debug, PartialEq)]
struct Monomial {
    places: Vec<usize>,
    factors: Vec<f64>,
}

impl Monomial {
    fn identity(length: usize) -> Self {
        Self {
            places: (0..length).collect(),
            factors: vec![1.0; length],
        }
    }

    /// Puts entries in descending order of a key and makes their other key positive; equal ones stay in their order.
    fn sorting(length: usize, key: impl Fn(usize) -> f64, sign: impl Fn(usize) -> f64) -> Self {
        let mut order: Vec<usize> = (0..length).collect();
        order.sort_by(|&i, &j| key(j).total_cmp(&key(i)));
        let mut sorted = Self::identity(length);
        for (place, &i) in order.iter().enumerate() {
            sorted.places[i] = place;
            sorted.factors[i] = if sign(i) < 0.0 { -1.0 } else { 1.0 };
        }
        sorted
    }

    /// The entry that comes first.
    fn first(&self) -> usize {
        self.places.iter().position(|&place| place == 0).unwrap_or(0)
    }

    fn draw(length: usize, generator: &mut Generator) -> Self {
        let mut drawn = Self::identity(length);
        for i in (1..length).rev() {
            drawn.places.swap(i, generator.random_range(0..=i));
        }
        drawn
            .factors
            .iter_mut()
            .for_each(|sign| *sign = if generator.random() { 1.0 } else { -1.0 });
        drawn
    }
}

/// A monomial matrix for every axis of a problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetry {
    axes: &'static [(Axis, Axis)],
    solution: &'static [(Axis, Axis)],
    rows: Monomial,
    cols: Monomial,
    others: Monomial,
}

impl Symmetry {
    /// Draws a symmetry of a problem with operands of these shapes.
    pub fn draw(problem: &dyn Problem, operands: &[Matrix], generator: &mut Generator) -> Self {
        let Invariance {
            operands: axes,
            solution,
            ..
        } = problem.invariance();
        let mut draw = |axis: Axis| {
            let lengths = axes
                .iter()
                .zip(operands)
                .flat_map(|(&(rows, cols), matrix)| [(rows, matrix.nrows()), (cols, matrix.ncols())]);
            let length = lengths.filter(|(of, _)| *of == axis).map(|(_, length)| length).next();
            Monomial::draw(length.unwrap_or(0), generator)
        };
        Self {
            axes,
            solution,
            rows: draw(Axis::Rows),
            cols: draw(Axis::Cols),
            others: draw(Axis::Others),
        }
    }

    /// The one that brings a problem to its canonical form.
    ///
    /// Where rows and columns move together (`P A Pᵀ`), the diagonal descends and the first row is positive. Otherwise the
    /// coefficient of A that is the largest by absolute value, the first of equal ones in reading order, comes to the corner;
    /// its row and column descend by absolute value and are positive. Where rows and columns may be scaled, they have been
    /// brought to one root mean square before. In a product with a second operand B, the columns of A
    /// are in the order in which the first column of B descends by absolute value, and the first columns of B and A and the
    /// first row of B are positive.
    pub fn canonical(problem: &dyn Problem, operands: &[Matrix]) -> Self {
        let Invariance {
            operands: axes,
            solution,
            scales,
            ..
        } = problem.invariance();
        let none = || Monomial::identity(0);
        let together = axes[0] == (Axis::Rows, Axis::Rows);
        let scaling = scales.then(|| equilibration(&operands[0]));
        let a = &match &scaling {
            // Products of factors are exact but for their last bits, which must not decide an order.
            Some((rows, cols)) => scaled(&operands[0], rows, cols).map(|x| f64::from(x as f32)),
            None => operands[0].clone(),
        };
        let (mut rows, mut cols, others) = match operands {
            _ if together => {
                let first = Monomial::sorting(a.nrows(), |i| a[(i, i)], |_| 1.0).first();
                let sign = |i| if i == first { 1.0 } else { a[(first, i)] };
                (Monomial::sorting(a.nrows(), |i| a[(i, i)], sign), none(), none())
            }
            [_, b] if axes[1].0 == Axis::Cols => {
                let cols = Monomial::sorting(a.ncols(), |j| b[(j, 0)].abs(), |j| b[(j, 0)]);
                let first = cols.first();
                let sign = cols.factors[first];
                let rows = Monomial::sorting(a.nrows(), |_| 0.0, |i| a[(i, first)] * sign);
                let count = if axes[1].1 == Axis::Others { b.ncols() } else { 0 };
                let others = Monomial::sorting(count, |_| 0.0, |k| b[(first, k)] * sign);
                (rows, cols, others)
            }
            _ => {
                let (p, q) = largest(a);
                let rows = Monomial::sorting(a.nrows(), |i| a[(i, q)].abs(), |i| a[(i, q)]);
                let cols = Monomial::sorting(a.ncols(), |j| a[(p, j)].abs(), |j| a[(p, j)] * rows.factors[p]);
                (rows, cols, none())
            }
        };
        if let Some((by_row, by_col)) = scaling {
            let scale = |moves: &mut Monomial, factors: Vec<f64>| {
                let pairs = moves.factors.iter_mut().zip(factors);
                pairs.for_each(|(sign, factor)| *sign *= factor);
            };
            scale(&mut rows, by_row);
            scale(&mut cols, by_col);
        }
        Self {
            axes,
            solution,
            rows,
            cols,
            others,
        }
    }

    /// The equivalent problem.
    pub fn transform(&self, operands: &[Matrix]) -> Vec<Matrix> {
        self.moved(self.axes, operands, |x, factor| x * factor)
    }

    /// A solution of the equivalent problem from a solution of the problem, but for the signs of vectors.
    pub fn transform_solution(&self, solution: &[Matrix]) -> Vec<Matrix> {
        self.moved(self.solution, solution, |x, factor| x / factor)
    }

    fn moved(&self, axes: &[(Axis, Axis)], matrices: &[Matrix], change: fn(f64, f64) -> f64) -> Vec<Matrix> {
        let pairs = axes.iter().zip(matrices);
        pairs
            .map(|(&(rows, cols), matrix)| {
                let (rows, cols) = (self.along(rows, matrix.nrows()), self.along(cols, matrix.ncols()));
                let mut moved = matrix.clone();
                for i in 0..matrix.nrows() {
                    for j in 0..matrix.ncols() {
                        moved[(rows.places[i], cols.places[j])] =
                            change(matrix[(i, j)], rows.factors[i] * cols.factors[j]);
                    }
                }
                moved
            })
            .collect()
    }

    /// A solution of the problem from a solution of the equivalent one, but for the signs of vectors.
    pub fn restore(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let pairs = self.solution.iter().zip(solution);
        pairs
            .map(|(&(rows, cols), matrix)| {
                let (rows, cols) = (self.along(rows, matrix.nrows()), self.along(cols, matrix.ncols()));
                Matrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
                    rows.factors[i] * cols.factors[j] * matrix[(rows.places[i], cols.places[j])]
                })
            })
            .collect()
    }

    fn along(&self, axis: Axis, length: usize) -> Cow<'_, Monomial> {
        match axis {
            Axis::Rows => Cow::Borrowed(&self.rows),
            Axis::Cols => Cow::Borrowed(&self.cols),
            Axis::Others => Cow::Borrowed(&self.others),
            Axis::Fixed => Cow::Owned(Monomial::identity(length)),
        }
    }
}

/// Factors of rows and columns that bring the root mean square of every row and every column of a matrix near that of the whole,
/// the same for both of a symmetric one (Ruiz 2001, with another norm).
fn equilibration(matrix: &Matrix) -> (Vec<f64>, Vec<f64>) {
    const STEPS: usize = 16;
    let whole = root_mean_square(matrix.iter());
    let (mut rows, mut cols) = (vec![1.0; matrix.nrows()], vec![1.0; matrix.ncols()]);
    let factor = |own: f64| if own > 0.0 { (whole / own).sqrt() } else { 1.0 };
    for _ in 0..STEPS {
        let moved = scaled(matrix, &rows, &cols);
        for (row, entries) in rows.iter_mut().zip(moved.row_iter()) {
            *row *= factor(root_mean_square(entries.iter()));
        }
        for (col, entries) in cols.iter_mut().zip(moved.column_iter()) {
            *col *= factor(root_mean_square(entries.iter()));
        }
    }
    (rows, cols)
}

fn root_mean_square<'a>(entries: impl ExactSizeIterator<Item = &'a f64>) -> f64 {
    let count = entries.len() as f64;
    (entries.map(|x| x * x).sum::<f64>() / count).sqrt()
}

fn scaled(matrix: &Matrix, rows: &[f64], cols: &[f64]) -> Matrix {
    Matrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
        matrix[(i, j)] * rows[i] * cols[j]
    })
}

/// Row and column of the largest absolute value, the first of equal ones in reading order.
fn largest(matrix: &Matrix) -> (usize, usize) {
    let places = (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| (i, j)));
    let larger = |best: (usize, usize), place: (usize, usize)| {
        if matrix[place].abs() > matrix[best].abs() {
            place
        } else {
            best
        }
    };
    places.fold((0, 0), larger)
}

#[cfg(test)]
pub(super) mod tests {
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

    #[test]
    fn rows_and_columns_of_an_inverse_come_to_one_root_mean_square() {
        for name in ["inverse", "symmetric-inverse"] {
            let problem = crate::problem::named(name).unwrap();
            let matrix = Matrix::from_row_slice(3, 3, &[100.0, 2.0, 0.5, 2.0, 0.03, -0.02, 0.5, -0.02, 0.004]);
            let form =
                Symmetry::canonical(problem, std::slice::from_ref(&matrix)).transform(std::slice::from_ref(&matrix));
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
}
