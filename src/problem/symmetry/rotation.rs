//! Rotations: what signed permutations do to problems, all orthogonal matrices do. They change every coefficient, so that a model
//! which takes permuted problems for one and the same answers anew.

use super::super::Problem;
use super::{Axis, Invariance};
use crate::matrix::{Generator, Matrix};
use rand::RngExt;
use rand_distr::StandardNormal;

/// An orthogonal matrix for every axis of a problem, with or without reflection.
#[derive(Clone, Debug)]
pub struct Rotation {
    invariance: Invariance,
    rows: Matrix,
    cols: Matrix,
    others: Matrix,
}

impl Rotation {
    /// Draws a rotation of a problem with operands of these shapes; all are equally likely.
    pub fn draw(problem: &dyn Problem, operands: &[Matrix], generator: &mut Generator) -> Self {
        let invariance = problem.invariance();
        let mut draw = |axis| {
            let length = invariance.length(axis, operands);
            Matrix::from_fn(length, length, |_, _| generator.sample(StandardNormal))
                .qr()
                .q()
        };
        Self {
            rows: draw(Axis::Rows),
            cols: draw(Axis::Cols),
            others: draw(Axis::Others),
            invariance,
        }
    }

    /// The equivalent problem.
    pub fn transform(&self, operands: &[Matrix]) -> Vec<Matrix> {
        let moved = self.invariance.operands.iter().zip(operands);
        moved
            .map(|(&(rows, cols), matrix)| {
                let moved = self.turn(rows, matrix);
                let moved = self.turn(cols, &moved.transpose()).transpose();
                // What is symmetric stays so to the last bit.
                if rows == cols {
                    (&moved + moved.transpose()) / 2.0
                } else {
                    moved
                }
            })
            .collect()
    }

    /// A solution of the problem from a solution of the equivalent one, but for the signs of vectors.
    pub fn restore(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let back = self.inverse();
        let restored = self.invariance.solution.iter().zip(solution);
        restored
            .map(|(&(rows, cols), matrix)| {
                let restored = back.turn(rows, matrix);
                back.turn(cols, &restored.transpose()).transpose()
            })
            .collect()
    }

    fn inverse(&self) -> Self {
        Self {
            rows: self.rows.transpose(),
            cols: self.cols.transpose(),
            others: self.others.transpose(),
            invariance: self.invariance,
        }
    }

    /// Rotates the columns of a matrix.
    fn turn(&self, axis: Axis, matrix: &Matrix) -> Matrix {
        match axis {
            Axis::Rows => &self.rows * matrix,
            Axis::Cols => &self.cols * matrix,
            Axis::Others => &self.others * matrix,
            Axis::Fixed => matrix.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cases, solved};
    use super::*;

    #[test]
    fn solutions_of_rotated_problems_give_back_the_solution() {
        for (problem, operands, mut generator) in cases() {
            let rotation = Rotation::draw(problem, &operands, &mut generator);
            let moved = rotation.transform(&operands);
            assert!((&moved[0] - &operands[0]).amax() > 0.1, "{}", problem.name());
            assert_eq!(problem.check_operands(&moved), Ok(()), "{}", problem.name());
            let mut restored = rotation.restore(&solved(problem, &moved));
            problem.fix_signs(&mut restored);
            assert_eq!(problem.check(&operands, &restored), Ok(()), "{}", problem.name());
        }
    }

    #[test]
    fn lengths_stay() {
        for (problem, operands, mut generator) in cases() {
            let moved = Rotation::draw(problem, &operands, &mut generator).transform(&operands);
            for (moved, matrix) in moved.iter().zip(&operands) {
                assert!((moved.norm() - matrix.norm()).abs() < 1e-9, "{}", problem.name());
            }
        }
    }
}
