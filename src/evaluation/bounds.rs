//! Upper bounds on accuracy: the limit due to noise, and the ceiling due to rounding answers to tokens.

use crate::dataset::{Example, Format};
use crate::encoding::round_matrices;
use crate::inference::Preparation;
use crate::matrix::{Matrix, Shape, mirror};
use crate::problem::Problem;
use anyhow::Result;
use rayon::prelude::*;

/// The error of the exact solution for noisy operands. Like an answer's error, it is measured with the clean operands.
/// `None` without noise.
///
/// Symmetric problems are solved for the symmetric part, the best estimate of the clean matrix. If `is_halved`, the
/// model reads only the lower triangle, and the problem is solved for the mirrored lower triangle.
pub(super) fn limit(problem: &dyn Problem, is_halved: bool, size: Shape, example: &Example) -> Option<f64> {
    if example.clean.is_empty() {
        return None;
    }
    let mut operands = example.operands.clone();
    if is_halved {
        mirror(&mut operands[0]);
    } else if problem.is_symmetric() {
        operands[0] = (&operands[0] + operands[0].transpose()) * 0.5;
    }
    let mut answer = Example::zeros(problem, size).solution;
    let solved = problem.solve(&operands, &mut answer).is_ok();
    let error = solved.then(|| problem.error(&example.clean, &example.solution, &answer));
    Some(error.unwrap_or(f64::INFINITY))
}

/// The solutions of examples of equal size, rounded to the output encoding. `None` if a value is out of its range.
/// With a `preparation`, solutions are rounded in the form that the model predicts, and converted back.
pub(super) fn rounded(
    format: &Format,
    preparation: Option<&Preparation>,
    examples: &[Example],
) -> Result<Vec<Option<Vec<Matrix>>>> {
    let round = |example: &Example| round_matrices(format.output.as_ref(), &example.solution).ok();
    let Some(preparation) = preparation else {
        return Ok(examples.par_iter().map(round).collect());
    };
    let mut prepared = Vec::new();
    preparation.prepare(examples, &mut prepared)?;
    let rounded: Vec<_> = prepared.par_iter().map(round).collect();
    let written: Vec<&[Matrix]> = rounded
        .iter()
        .zip(examples)
        .map(|(rounded, example)| rounded.as_ref().unwrap_or(&example.solution).as_slice())
        .collect();
    let restored = preparation.restored(examples, &written)?;
    Ok(rounded
        .iter()
        .zip(restored)
        .map(|(rounded, restored)| rounded.is_some().then_some(restored))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::Accuracy;
    use super::*;
    use crate::dataset::{Specification, Stream, Target};
    use crate::matrix::{Noise, Split};
    use crate::problem;

    /// Percentages of exact solutions for noisy 5x5 operands with errors within 10, 5, 2, 1 and 0.5 %.
    fn limits(problem: &str, noise: f64) -> Vec<f64> {
        let problem = problem::named(problem).unwrap();
        let specification = Specification::new(problem, "5".parse().unwrap(), Default::default()).unwrap();
        let stream = Stream::new(specification, 1, Split::Test)
            .with_input("values".parse::<crate::encoding::Input>().unwrap().rounding())
            .with_noise(Noise::new(noise).unwrap());
        let errors: Vec<f64> = (0..4_000)
            .map(|index| limit(problem, false, Shape::new(5, 5), &stream.example(index).unwrap()).unwrap())
            .collect();
        let within = |tolerance: f64| 100.0 * Accuracy::below(&errors, tolerance).share();
        [0.1, 0.05, 0.02, 0.01, 0.005].map(within).to_vec()
    }

    #[test]
    fn limits_agree_with_an_independent_computation() {
        // Computed by another program, with the eigenvalues of the symmetric part.
        let table = [
            ("eigenvalues", 0.01, [100.0, 100.0, 100.0, 99.7, 71.5]),
            ("eigenvalues", 0.02, [100.0, 100.0, 99.8, 71.2, 11.9]),
            ("eigenvalues", 0.05, [100.0, 99.6, 48.1, 5.0, 0.2]),
            ("add", 0.01, [100.0, 100.0, 99.9, 54.0, 0.0]),
            ("add", 0.02, [100.0, 100.0, 55.0, 0.0, 0.0]),
            ("add", 0.05, [100.0, 54.0, 0.0, 0.0, 0.0]),
        ];
        for (problem, noise, expected) in table {
            let found = limits(problem, noise);
            // Three standard deviations of a fraction of 4,000.
            let close = found
                .iter()
                .zip(expected)
                .all(|(found, expected)| (found - expected).abs() < 2.4);
            assert!(close, "{problem} {noise}: {found:?}");
        }
    }

    #[test]
    fn ceilings_belong_to_the_prepared_problem() {
        let problem = problem::named("inverse").unwrap();
        let format = |deviation| Format {
            problem,
            problems: problem.into(),
            input: "values".parse().unwrap(),
            output: crate::encoding::named("P1000").unwrap(),
            target: Target::Classes,
            deviation,
        };
        // Unprepared, 1 / 3 is rounded to three digits. With rows and columns scaled to equal norms, the operand is
        // sqrt(5) I, and 1 / sqrt(5) is rounded.
        let mut example = Example::zeros(problem, Shape::new(2, 2));
        example.operands[0] = Matrix::from_row_slice(2, 2, &[3.0, 0.0, 0.0, 1.0]);
        problem.solve(&example.operands, &mut example.solution).unwrap();
        let examples = std::slice::from_ref(&example);
        let corner = |deviation| {
            let format = format(deviation);
            let preparation = Preparation::new(&format).unwrap();
            rounded(&format, preparation.as_ref(), examples).unwrap()[0]
                .as_ref()
                .unwrap()[0][(0, 0)]
        };
        assert_eq!(corner(None), 0.333);
        let scale = 5f64.sqrt();
        let found = corner(Some(2.5f64.sqrt()));
        assert!((found - 0.447 * scale / 3.0).abs() < 1e-6, "{found}");
    }

    #[test]
    fn noise_alone_sets_a_limit() {
        let problem = problem::named("add").unwrap();
        let example = Example::zeros(problem, Shape::new(2, 2));
        assert_eq!(limit(problem, false, Shape::new(2, 2), &example), None);
    }

    #[test]
    fn the_limit_of_triangle_input_ignores_noise_above_the_diagonal() {
        let eigenvalues = problem::named("eigenvalues").unwrap();
        let clean = vec![Matrix::from_row_slice(2, 2, &[1.0, 2.0, 2.0, 1.0])];
        // Only the upper triangle has noise.
        let operands = vec![Matrix::from_row_slice(2, 2, &[1.0, 4.0, 2.0, 1.0])];
        let solution = vec![Matrix::from_column_slice(2, 1, &[3.0, -1.0])];
        let example = Example {
            operands,
            solution,
            clean,
        };
        let limit = |is_halved| limit(eigenvalues, is_halved, Shape::new(2, 2), &example).unwrap();
        assert!(limit(true) < 1e-12);
        // The symmetric part has the eigenvalues 4 and -2.
        assert!((limit(false) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_limit_of_an_inverse_is_its_residual_with_the_clean_matrix() {
        let matrix = |x: f64| vec![Matrix::from_element(1, 1, x)];
        let example = Example {
            operands: matrix(4.0),
            solution: matrix(0.5),
            clean: matrix(2.0),
        };
        // The residual is |2 · 1/4 - 1|.
        let inverse = problem::named("inverse").unwrap();
        assert_eq!(limit(inverse, false, Shape::new(1, 1), &example), Some(0.5));
        let singular = Example {
            operands: matrix(0.0),
            ..example
        };
        assert_eq!(limit(inverse, false, Shape::new(1, 1), &singular), Some(f64::INFINITY));
    }
}
