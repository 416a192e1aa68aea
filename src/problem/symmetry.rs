//! Symmetries of problems: changes that make an equivalent problem, whose answer gives back that of the first.
//!
//! With P and Q signed permutations, `(P A Q)⁻¹ = Qᵀ A⁻¹ Pᵀ`, and `P A Pᵀ` has the eigenvalues of A. Coefficients only move
//! and change signs, so that an equivalent problem is as likely as the first wherever coefficients are alike and
//! symmetric around zero.
//!
//! Of all problems that are equivalent so, one is the canonical form. A model that only ever reads canonical forms has
//! 2ⁿ⁻¹ n! times less to learn of symmetric matrices, and (2ⁿ n!)² / 2 times less of others (canonicalization: Kaba et al.
//! 2023, arXiv 2211.06489).

mod equilibration;
mod monomial;
mod pose;
mod rotation;

use super::Problem;
#[cfg(test)]
use crate::matrix::Generator;
use crate::matrix::Matrix;
use equilibration::Equilibration;
use monomial::Monomial;
pub use pose::Pose;
pub use rotation::Rotation;

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
    /// Whether the condensed form is that of the transposed operand, whose solution is the transposed one, and begins where errors
    /// grow least: see [`Rotation::condensing`]. Errors of many coefficients then cancel in what a solution is measured by.
    pub pivots: bool,
}

impl Invariance {
    /// The length of an axis of operands; 0 where they have none such.
    fn length(&self, axis: Axis, operands: &[Matrix]) -> usize {
        let lengths = self
            .operands
            .iter()
            .zip(operands)
            .flat_map(|(&(rows, cols), matrix)| [(rows, matrix.nrows()), (cols, matrix.ncols())]);
        let mut lengths = lengths.filter(|(of, _)| *of == axis).map(|(_, length)| length);
        lengths.next().unwrap_or(0)
    }
}

/// A monomial matrix for every axis of a problem.
#[derive(Clone, Debug)]
pub struct Symmetry {
    invariance: Invariance,
    rows: Monomial,
    cols: Monomial,
    others: Monomial,
    equilibration: Equilibration,
}

impl Symmetry {
    /// Draws a symmetry of a problem with operands of these shapes.
    #[cfg(test)]
    pub(crate) fn draw(problem: &dyn Problem, operands: &[Matrix], generator: &mut Generator) -> Self {
        let invariance = problem.invariance();
        let mut draw = |axis| Monomial::draw(invariance.length(axis, operands), generator);
        Self {
            rows: draw(Axis::Rows),
            cols: draw(Axis::Cols),
            others: draw(Axis::Others),
            ..Self::of(problem)
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
        let mut symmetry = Self::of(problem);
        symmetry.make_canonical(operands);
        symmetry
    }

    /// That of a problem whose operands have no rows and no columns: memory for others.
    pub fn of(problem: &dyn Problem) -> Self {
        Self {
            invariance: problem.invariance(),
            rows: Monomial::default(),
            cols: Monomial::default(),
            others: Monomial::default(),
            equilibration: Equilibration::default(),
        }
    }

    /// Becomes what [`Self::canonical`] gives of operands, in the memory that there is.
    pub fn make_canonical(&mut self, operands: &[Matrix]) {
        let Self {
            invariance,
            rows,
            cols,
            others,
            equilibration,
        } = self;
        let (a, axes, scales) = (&operands[0], invariance.operands, invariance.scales);
        if scales {
            equilibration.find(a);
        }
        let entry = |i, j| {
            if scales {
                // Products of factors are exact but for their last bits, which must not decide an order.
                f64::from((a[(i, j)] * equilibration.rows[i] * equilibration.cols[j]) as f32)
            } else {
                a[(i, j)]
            }
        };
        cols.reset(0);
        others.reset(0);
        match operands {
            _ if axes[0] == (Axis::Rows, Axis::Rows) => {
                rows.sort(a.nrows(), |i| entry(i, i));
                let first = rows.first();
                rows.make_positive(|i| if i == first { 1.0 } else { entry(first, i) });
            }
            [_, b] if axes[1].0 == Axis::Cols => {
                cols.sort(a.ncols(), |j| b[(j, 0)].abs());
                cols.make_positive(|j| b[(j, 0)]);
                let first = cols.first();
                let sign = cols.factors[first];
                rows.reset(a.nrows());
                rows.make_positive(|i| entry(i, first) * sign);
                others.reset(if axes[1].1 == Axis::Others { b.ncols() } else { 0 });
                others.make_positive(|k| b[(first, k)] * sign);
            }
            _ => {
                let (p, q) = largest(a.shape(), entry);
                rows.sort(a.nrows(), |i| entry(i, q).abs());
                rows.make_positive(|i| entry(i, q));
                cols.sort(a.ncols(), |j| entry(p, j).abs());
                cols.make_positive(|j| entry(p, j) * rows.factors[p]);
            }
        }
        if scales {
            rows.scale(&equilibration.rows);
            cols.scale(&equilibration.cols);
        }
    }

    /// The equivalent problem.
    pub fn transform(&self, operands: &[Matrix]) -> Vec<Matrix> {
        let mut moved = operands.to_vec();
        self.transform_to(operands, &mut moved);
        moved
    }

    /// The equivalent problem, into matrices that already have their shapes: those of the operands.
    pub fn transform_to(&self, operands: &[Matrix], moved: &mut [Matrix]) {
        self.move_to(self.invariance.operands, operands, moved, |x, factor| x * factor);
    }

    /// A solution of the equivalent problem from a solution of the problem, but for the signs of vectors.
    pub fn transform_solution(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let mut moved = solution.to_vec();
        self.transform_solution_to(solution, &mut moved);
        moved
    }

    /// The same, into matrices that already have their shapes: those of the solution.
    pub fn transform_solution_to(&self, solution: &[Matrix], moved: &mut [Matrix]) {
        self.move_to(self.invariance.solution, solution, moved, |x, factor| x / factor);
    }

    fn move_to(
        &self,
        axes: &[(Axis, Axis)],
        matrices: &[Matrix],
        moved: &mut [Matrix],
        change: impl Fn(f64, f64) -> f64,
    ) {
        for ((&(rows, cols), matrix), moved) in axes.iter().zip(matrices).zip(moved) {
            let (rows, cols) = (self.along(rows), self.along(cols));
            for j in 0..matrix.ncols() {
                let (col, by_col) = entry_of(cols, j);
                for i in 0..matrix.nrows() {
                    let (row, by_row) = entry_of(rows, i);
                    moved[(row, col)] = change(matrix[(i, j)], by_row * by_col);
                }
            }
        }
    }

    /// A solution of the problem from a solution of the equivalent one, but for the signs of vectors.
    pub fn restore(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let pairs = self.invariance.solution.iter().zip(solution);
        pairs
            .map(|(&(rows, cols), matrix)| {
                let (rows, cols) = (self.along(rows), self.along(cols));
                Matrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
                    let ((row, by_row), (col, by_col)) = (entry_of(rows, i), entry_of(cols, j));
                    by_row * by_col * matrix[(row, col)]
                })
            })
            .collect()
    }

    /// What happens along an axis; none where nothing does.
    fn along(&self, axis: Axis) -> Option<&Monomial> {
        match axis {
            Axis::Rows => Some(&self.rows),
            Axis::Cols => Some(&self.cols),
            Axis::Others => Some(&self.others),
            Axis::Fixed => None,
        }
    }
}

/// The place and the factor of an entry.
fn entry_of(monomial: Option<&Monomial>, i: usize) -> (usize, f64) {
    monomial.map_or((i, 1.0), |monomial| (monomial.places[i], monomial.factors[i]))
}

/// Row and column of the largest absolute value, the first of equal ones in reading order.
fn largest((rows, cols): (usize, usize), entry: impl Fn(usize, usize) -> f64) -> (usize, usize) {
    let places = (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j)));
    let mut best = (0, 0);
    for (i, j) in places {
        if entry(i, j).abs() > entry(best.0, best.1).abs() {
            best = (i, j);
        }
    }
    best
}

#[cfg(test)]
pub(super) mod tests;
