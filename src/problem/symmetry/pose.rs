//! How a problem is posed to a model.

use super::super::Problem;
use super::{Rotation, Symmetry};
use crate::matrix::Matrix;

/// The equivalent problem that a model reads: its canonical form, its condensed form, or the condensed form of the canonical one.
#[derive(Clone, Debug)]
pub struct Pose {
    problem: &'static dyn Problem,
    symmetry: Option<Symmetry>,
    rotation: Option<Rotation>,
}

/// Beside the largest coefficient of a solution, less than this is nothing.
const ROUNDING: f64 = 1e-13;

impl Pose {
    /// That of a problem whose operands have no rows and no columns: memory for others.
    pub fn new(problem: &'static dyn Problem, canonical: bool, condensed: bool) -> Self {
        Self {
            problem,
            symmetry: canonical.then(|| Symmetry::of(problem)),
            rotation: condensed.then(|| Rotation::condensing(problem, &[Matrix::zeros(0, 0)])),
        }
    }

    /// Becomes that of operands.
    pub fn find(&mut self, operands: &[Matrix]) {
        if let Some(symmetry) = &mut self.symmetry {
            symmetry.make_canonical(operands);
        }
        if let Some(rotation) = &mut self.rotation {
            *rotation = match &self.symmetry {
                Some(symmetry) => Rotation::condensing(self.problem, &symmetry.transform(operands)),
                None => Rotation::condensing(self.problem, operands),
            };
        }
    }

    /// The problem that is read.
    pub fn transform(&self, operands: &[Matrix]) -> Vec<Matrix> {
        let mut moved = operands.to_vec();
        self.transform_to(operands, &mut moved);
        moved
    }

    /// The same, into matrices that already have their shapes: those of the operands.
    pub fn transform_to(&self, operands: &[Matrix], moved: &mut [Matrix]) {
        match (&self.symmetry, &self.rotation) {
            (Some(symmetry), None) => symmetry.transform_to(operands, moved),
            (None, Some(rotation)) => take(moved, rotation.transform(operands)),
            (Some(symmetry), Some(rotation)) => take(moved, rotation.transform(&symmetry.transform(operands))),
            (None, None) => moved.clone_from_slice(operands),
        }
    }

    /// A solution of the problem that is read from a solution of the problem, but for the signs of vectors.
    pub fn transform_solution(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let mut moved = solution.to_vec();
        self.transform_solution_to(solution, &mut moved);
        moved
    }

    /// The same, into matrices that already have their shapes: those of the solution.
    pub fn transform_solution_to(&self, solution: &[Matrix], moved: &mut [Matrix]) {
        match &self.symmetry {
            Some(symmetry) => symmetry.transform_solution_to(solution, moved),
            None => moved.clone_from_slice(solution),
        }
        if let Some(rotation) = &self.rotation {
            let mut rotated = rotation.transform_solution(moved);
            // The inverse of a condensed form has zeros, of which rotations leave the rounding errors: numbers like others to a model.
            for matrix in &mut rotated {
                let least = ROUNDING * matrix.amax();
                matrix.iter_mut().filter(|x| x.abs() < least).for_each(|x| *x = 0.0);
            }
            take(moved, rotated);
        }
    }

    /// A solution of the problem from a solution of the one that is read, but for the signs of vectors.
    pub fn restore(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let rotated = self.rotation.as_ref().map(|rotation| rotation.restore(solution));
        match &self.symmetry {
            Some(symmetry) => symmetry.restore(rotated.as_deref().unwrap_or(solution)),
            None => rotated.unwrap_or_else(|| solution.to_vec()),
        }
    }
}

/// Becomes other matrices.
fn take(moved: &mut [Matrix], others: Vec<Matrix>) {
    moved.iter_mut().zip(others).for_each(|(moved, other)| *moved = other);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cases, solved};
    use super::*;

    const POSES: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

    #[test]
    fn solutions_go_there_and_come_back() {
        for (problem, operands, _) in cases() {
            let single = problem.invariance().operands.len() == 1;
            for (canonical, condensed) in POSES.into_iter().filter(|(_, condensed)| single || !condensed) {
                let mut pose = Pose::new(problem, canonical, condensed);
                pose.find(&operands);
                let (read, name) = (pose.transform(&operands), problem.name());
                let mut expected = pose.transform_solution(&solved(problem, &operands));
                problem.fix_signs(&mut expected);
                assert_eq!(
                    problem.check(&read, &expected),
                    Ok(()),
                    "{name} {canonical} {condensed}"
                );
                let mut restored = pose.restore(&solved(problem, &read));
                problem.fix_signs(&mut restored);
                assert_eq!(
                    problem.check(&operands, &restored),
                    Ok(()),
                    "{name} {canonical} {condensed}"
                );
            }
        }
    }

    #[test]
    fn operands_that_move_together_have_one_pose() {
        for (problem, operands, mut generator) in cases() {
            if problem.invariance().operands.len() == 1 && !problem.invariance().scales {
                let moved = Symmetry::draw(problem, &operands, &mut generator).transform(&operands);
                let [one, other] = [&operands, &moved].map(|operands| {
                    let mut pose = Pose::new(problem, true, true);
                    pose.find(operands);
                    pose.transform(operands)
                });
                assert!((&one[0] - &other[0]).amax() < 1e-9, "{}", problem.name());
            }
        }
    }
}
