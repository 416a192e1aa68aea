//! What no model can do better than: the limit that noise sets, and the rounding of tokens.

use crate::dataset::{Example, Format};
use crate::encoding::round_matrices;
use crate::inference::Preparation;
use crate::matrix::{Matrix, Shape, mirror};
use crate::problem::Problem;
use anyhow::Result;
use rayon::prelude::*;

/// Error of the exact operation on noisy operands, measured with the clean ones as a model's answer is; none where there
/// is no noise. Of a symmetric problem it is the operation on the symmetric part, the best guess at the clean matrix, or on what
/// the half that is read says of the other.
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

/// The solutions of examples of one size as tokens would write them, of the problem that the model reads; none where a value is out of
/// the encoding's range. `preparation` is what makes that problem, where it is another one.
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

    /// Shares of the exact answers for noisy 5x5 operands within 10, 5, 2, 1 and 0.5 %, in percent.
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
    fn limits_of_noise_are_those_of_an_independent_computation() {
        // Computed apart from this crate; eigenvalues of the symmetric part.
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
            // Three standard deviations of a share of 4,000.
            let close = found
                .iter()
                .zip(expected)
                .all(|(found, expected)| (found - expected).abs() < 2.4);
            assert!(close, "{problem} {noise}: {found:?}");
        }
    }

    #[test]
    fn ceilings_are_of_the_problem_that_a_model_reads() {
        let problem = problem::named("inverse").unwrap();
        let format = |deviation| Format {
            problem,
            problems: problem.into(),
            input: "values".parse().unwrap(),
            output: crate::encoding::named("P1000").unwrap(),
            target: Target::Classes,
            deviation,
        };
        // As given, 1 / 3 is rounded to three digits; of rows and columns of one scale, the operand is sqrt(5) I, and 1 / sqrt(5) is
        // rounded.
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
    fn without_noise_there_is_no_limit() {
        let problem = problem::named("add").unwrap();
        let example = Example::zeros(problem, Shape::new(2, 2));
        assert_eq!(limit(problem, false, Shape::new(2, 2), &example), None);
    }

    #[test]
    fn the_limit_of_half_a_matrix_is_of_what_the_half_says() {
        let eigenvalues = problem::named("eigenvalues").unwrap();
        let clean = vec![Matrix::from_row_slice(2, 2, &[1.0, 2.0, 2.0, 1.0])];
        // Noise has met the upper half alone.
        let operands = vec![Matrix::from_row_slice(2, 2, &[1.0, 4.0, 2.0, 1.0])];
        let solution = vec![Matrix::from_column_slice(2, 1, &[3.0, -1.0])];
        let example = Example {
            operands,
            solution,
            clean,
        };
        let limit = |is_halved| limit(eigenvalues, is_halved, Shape::new(2, 2), &example).unwrap();
        assert!(limit(true) < 1e-12);
        // The symmetric part has 4 and -2.
        assert!((limit(false) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_limit_of_an_inverse_is_a_residual_with_the_clean_matrix() {
        let matrix = |x: f64| vec![Matrix::from_element(1, 1, x)];
        let example = Example {
            operands: matrix(4.0),
            solution: matrix(0.5),
            clean: matrix(2.0),
        };
        // |2 · 1/4 - 1|.
        let inverse = problem::named("inverse").unwrap();
        assert_eq!(limit(inverse, false, Shape::new(1, 1), &example), Some(0.5));
        let singular = Example {
            operands: matrix(0.0),
            ..example
        };
        assert_eq!(limit(inverse, false, Shape::new(1, 1), &singular), Some(f64::INFINITY));
    }
}
