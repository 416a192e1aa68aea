//! Free signs: an eigenvector may be negated, and so may a pair of singular vectors. Solutions fix the signs by a rule
//! that is discontinuous where two entries are equally large. If targets take the sign that the model prefers, the
//! model need not learn this rule.

use crate::dataset::{Case, Format};
use crate::problem::Problem;
use std::cell::RefCell;
use std::collections::HashMap;
use tch::{Device, Kind, Tensor};

/// Changes the free signs of targets to those that the model prefers.
#[derive(Debug, Default)]
pub struct FreeSigns {
    /// The coefficients of each vector, by case; `None` if the problem has no free signs.
    members: RefCell<HashMap<Case, Option<Tensor>>>,
}

impl FreeSigns {
    /// Changes the signs of targets, given as classes `[batch, count, fields]` in prediction order. Each vector takes
    /// the sign that is more probable by the logits `[batch, count, 2]` of the signs.
    pub fn follow(&self, format: &Format, case: Case, logits: &Tensor, classes: Tensor) -> Tensor {
        let mut known = self.members.borrow_mut();
        let members = known
            .entry(case)
            .or_insert_with(|| members(format.problem, case, logits.device()));
        let Some(members) = members else { return classes };
        let _no_grad = tch::no_grad_guard();
        let signs = classes.select(-1, 0);
        // Log-odds of the target's sign.
        let odds = (logits.select(-1, 0) - logits.select(-1, 1)) * (signs.to_kind(Kind::Float) * -2.0 + 1.0);
        let against = odds.matmul(&members.transpose(0, 1)).lt(0.0).to_kind(Kind::Float);
        let flipped = against.matmul(members).to_kind(Kind::Int64);
        let signs = (signs + flipped).remainder(2).unsqueeze(-1);
        let rest = classes.narrow(-1, 1, classes.size()[2] - 1);
        Tensor::cat(&[signs, rest], -1)
    }
}

/// A matrix `[vectors, count]`: 1 if the solution's coefficient belongs to the vector, else 0.
fn members(problem: &dyn Problem, case: Case, device: Device) -> Option<Tensor> {
    let places = problem.facts().vectors;
    let shapes = problem.solution_shapes(case.size);
    let vectors = shapes[*places.first()?].cols;
    let mut members = Vec::new();
    for vector in 0..vectors {
        for (place, shape) in shapes.iter().enumerate() {
            let belongs = |col| places.contains(&place) && col == vector;
            let row = (0..shape.cols).map(|col| f32::from(u8::from(belongs(col))));
            members.extend((0..shape.rows).flat_map(|_| row.clone()));
        }
    }
    Some(
        Tensor::from_slice(&members)
            .view([vectors as i64, -1])
            .to_device(device),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Shape;
    use crate::recipe::Recipe;

    const CASE: Case = Case {
        task: 0,
        size: Shape { rows: 2, cols: 2 },
    };

    fn format(problem: &str) -> Format {
        let text = format!("problem = \"{problem}\"\ndim = 2");
        Recipe::parse(&text, &[]).unwrap().format()
    }

    /// Changes the signs (1 for minus) of a solution, given the model's log-odds for plus. Returns the target's signs.
    fn followed(problem: &str, solution: &[i64], odds: &[f32]) -> Vec<i64> {
        let count = solution.len() as i64;
        let magnitude = Tensor::arange(count, (Kind::Int64, Device::Cpu));
        let classes = Tensor::stack(&[Tensor::from_slice(solution), &magnitude + 7, magnitude], -1).unsqueeze(0);
        let plus = Tensor::from_slice(odds);
        let logits = Tensor::stack(&[plus.shallow_clone(), plus.zeros_like()], -1).unsqueeze(0);
        let signs = FreeSigns::default();
        let result = signs.follow(&format(problem), CASE, &logits, classes.shallow_clone());
        assert_eq!(
            result.narrow(-1, 1, 2),
            classes.narrow(-1, 1, 2),
            "the rest of the numbers stays"
        );
        Vec::try_from(result.select(-1, 0).flatten(0, -1)).unwrap()
    }

    #[test]
    fn every_vector_takes_the_sign_with_the_larger_sum_of_log_odds() {
        // Two values, then [[v11, v12], [v21, v22]] row by row: columns are vectors.
        let solution = [1, 0, 0, 1, 1, 0];
        let agrees = [9.0, 9.0, 1.0, -1.0, -1.0, 1.0];
        assert_eq!(
            followed("eigenvectors", &solution, &agrees),
            solution,
            "values keep their signs"
        );
        // The model prefers the other sign of the first vector, but only by the sum of log-odds.
        let first = [9.0, 9.0, -3.0, -1.0, -1.0, 1.0];
        assert_eq!(followed("eigenvectors", &solution, &first), [1, 0, 1, 1, 0, 0]);
        let second = [9.0, 9.0, 1.0, 2.0, -1.0, 1.0];
        assert_eq!(followed("eigenvectors", &solution, &second), [1, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn a_pair_of_singular_vectors_changes_sign_together() {
        // U row by row, two values, V row by row.
        let solution = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
        let mut odds = [1.0; 10];
        (odds[6], odds[8]) = (-5.0, 1.0);
        assert_eq!(followed("svd", &solution, &odds), [1, 0, 1, 0, 0, 0, 1, 1, 1, 0]);
    }

    #[test]
    fn free_signs_are_refused_where_they_have_no_effect() {
        for (problem, more, fine) in [
            ("eigenvectors", "", true),
            ("svd", "", true),
            ("eigenvalues", "", false),
            ("svd", "[encoding]\noutput = \"B1999\"", false),
            ("svd", "[model]\ndecoder = \"autoregressive\"", false),
        ] {
            let text = format!("problem = \"{problem}\"\ndim = 2\n{more}\n[loss]\nfree_signs = true");
            let recipe = Recipe::parse(&text, &[]);
            assert_eq!(recipe.is_ok(), fine, "{problem} {more}");
            if let Err(error) = recipe {
                assert!(error.to_string().contains("loss.free_signs"), "{error}");
            }
        }
    }
}
