//! How a problem is posed to a model.

use super::super::Problem;
use super::{Rotation, Symmetry};
use crate::matrix::Matrix;

/// The equivalent problem that a model reads: its canonical form, its condensed form, or the condensed form of the canonical one; where
/// inverses are condensed, that of the transposed matrix.
#[derive(Clone, Debug)]
pub struct Pose {
    problem: &'static dyn Problem,
    symmetry: Option<Symmetry>,
    /// None until there are operands; never any where forms are not condensed.
    rotation: Option<Rotation>,
    condensed: bool,
    /// Whether the transposed problem is condensed.
    transposed: bool,
}

/// Beside the largest coefficient of a solution, less than this is nothing.
const ROUNDING: f64 = 1e-13;

impl Pose {
    /// That of no operands yet: memory for others.
    pub fn new(problem: &'static dyn Problem, canonical: bool, condensed: bool) -> Self {
        Self {
            problem,
            symmetry: canonical.then(|| Symmetry::of(problem)),
            rotation: None,
            condensed,
            transposed: condensed && problem.invariance().pivots,
        }
    }

    /// Becomes that of operands; returns the problem that is read.
    pub fn find(&mut self, operands: &[Matrix]) -> Vec<Matrix> {
        let mut read = operands.to_vec();
        self.find_to(operands, &mut read);
        read
    }

    /// The same, with the problem that is read in matrices that already have their shapes: those of the operands.
    pub fn find_to(&mut self, operands: &[Matrix], read: &mut [Matrix]) {
        match &mut self.symmetry {
            Some(symmetry) => {
                symmetry.make_canonical(operands);
                symmetry.transform_to(operands, read);
            }
            None => read.clone_from_slice(operands),
        }
        if self.transposed {
            transpose(read);
        }
        if self.condensed {
            let rotation = Rotation::condensing(self.problem, read);
            read.clone_from_slice(&rotation.transform(read));
            self.rotation = Some(rotation);
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
        if self.transposed {
            transpose(moved);
        }
        if let Some(rotation) = &self.rotation {
            moved.clone_from_slice(&rotation.transform_solution(moved));
            // The inverse of a condensed form has zeros, of which rotations leave the rounding errors: numbers like others to a model.
            for matrix in moved {
                let least = ROUNDING * matrix.amax();
                matrix.iter_mut().filter(|x| x.abs() < least).for_each(|x| *x = 0.0);
            }
        }
    }

    /// A solution of the problem from a solution of the one that is read, but for the signs of vectors.
    pub fn restore(&self, solution: &[Matrix]) -> Vec<Matrix> {
        let mut restored = match &self.rotation {
            Some(rotation) => rotation.restore(solution),
            None => solution.to_vec(),
        };
        if self.transposed {
            transpose(&mut restored);
        }
        match &self.symmetry {
            Some(symmetry) => symmetry.restore(&restored),
            None => restored,
        }
    }
}

fn transpose(matrices: &mut [Matrix]) {
    for matrix in matrices {
        *matrix = matrix.transpose();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cases, solved};
    use super::*;
    use crate::matrix::{Address, Split};
    use nalgebra::DVector;
    use rand::RngExt;
    use rand_distr::StandardNormal;

    const POSES: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

    #[test]
    fn solutions_go_there_and_come_back() {
        for (problem, operands, _) in cases() {
            let single = problem.invariance().operands.len() == 1;
            for (canonical, condensed) in POSES.into_iter().filter(|(_, condensed)| single || !condensed) {
                let mut pose = Pose::new(problem, canonical, condensed);
                let (read, name) = (pose.find(&operands), problem.name());
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
                    pose.find(operands)
                });
                assert!((&one[0] - &other[0]).amax() < 1e-9, "{}", problem.name());
            }
        }
    }

    #[test]
    fn errors_of_a_condensed_inverse_are_not_multiplied_by_the_condition() {
        let inverse = crate::problem::named("inverse").unwrap();
        let address = Address {
            seed: 1,
            split: Split::Test,
            index: 0,
        };
        let mut generator = address.generator(0);
        let mut entries = |n| Matrix::from_fn(n, n, |_, _| generator.sample(StandardNormal));
        let mut errors = Vec::new();
        for condition in [1e2, 1e3, 1e4] {
            for _ in 0..50 {
                let [left, right] = [entries(5), entries(5)].map(|matrix| matrix.qr().q());
                let singular_values = DVector::from_vec(vec![1.0, 0.5, 0.25, 0.1, 1.0 / condition]);
                let operands = [left * Matrix::from_diagonal(&singular_values) * right];
                let mut pose = Pose::new(inverse, false, true);
                pose.find(&operands);
                let mut answer = pose.transform_solution(&solved(inverse, &operands));
                let shares = entries(5).map(|x: f64| 1.0 + 1e-3 * x.clamp(-1.0, 1.0));
                answer[0].component_mul_assign(&shares);
                errors.push(inverse.error(&operands, &[], &pose.restore(&answer)));
            }
        }
        let worst = errors.iter().copied().fold(0.0, f64::max);
        assert!(worst < 0.01, "{worst}");
    }
}
