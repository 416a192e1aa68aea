//! Accuracy on structured matrices.

use super::{Evaluation, Search, evaluate};
use crate::inference::Solver;
use crate::matrix::{Family, Split};
use crate::recipe::Recipe;
use anyhow::Result;

/// Evaluates a module on `count` validation matrices of each family, in the order of [`Family::ALL`]. Families without
/// solutions are omitted, for example singular matrices for the inverse.
pub fn families(solver: &Solver, recipe: &Recipe, count: usize) -> Result<Vec<(Family, Evaluation)>> {
    let tolerances = &recipe.evaluation.tolerances;
    let mut measured = Vec::new();
    for family in Family::ALL {
        let source = recipe.of_family(family).source(Split::Validation)?;
        let count = count * recipe.problems.len();
        if (0..count as u64).all(|index| source.example(index).is_ok()) {
            let evaluation = evaluate(
                solver,
                source.as_ref(),
                0..count as u64,
                tolerances,
                &Search::default(),
                |_| Ok(()),
            )?;
            measured.push((family, evaluation));
        }
    }
    Ok(measured)
}
