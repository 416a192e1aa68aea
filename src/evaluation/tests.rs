//! Tests of the figures of an evaluation, on examples whose errors are given.

use super::*;
use crate::problem;

/// An example of a problem with one error and one residual, and nothing else.
fn measured(problem: &str, n: usize, error: f64, residual: f64) -> Measured {
    let size = Shape::new(n, n);
    let problem = problem::named(problem).unwrap();
    Measured {
        index: 0,
        problem,
        task: usize::from(problem.name() == "transpose"),
        size,
        error,
        ceiling: 0.0,
        limit: None,
        exact: error == 0.0,
        log_probability: 0.0,
        residual,
        verified: None,
        repaired: None,
        example: Example::zeros(problem, size),
        prediction: Vec::new(),
    }
}

fn evaluation(examples: Vec<Measured>) -> Evaluation {
    Evaluation {
        tolerances: vec![0.05, 0.01],
        examples,
    }
}

/// Right answers and all answers, at each tolerance.
fn counts(accuracies: &[Accuracy]) -> Vec<(usize, usize)> {
    accuracies
        .iter()
        .map(|accuracy| (accuracy.right, accuracy.count))
        .collect()
}

#[test]
fn answers_are_counted_at_each_tolerance() {
    let errors = [0.0, 0.009, 0.04, 0.3, f64::INFINITY];
    let found = evaluation(errors.map(|error| measured("add", 2, error, 0.0)).to_vec());
    assert_eq!(counts(&found.accuracies()), [(3, 5), (2, 5)]);
    assert_eq!(counts(&found.ceilings()), [(5, 5), (5, 5)]);
    assert_eq!(counts(&[found.exact()]), [(1, 5)]);
    assert_eq!(found.median_error(), 0.04);
    assert_eq!(evaluation(Vec::new()).median_error(), f64::INFINITY);
}

#[test]
fn limits_are_known_for_noisy_operands_alone() {
    let mut examples = vec![measured("add", 2, 0.0, 0.0); 3];
    assert!(evaluation(examples.clone()).limits().is_none());
    examples[1].limit = Some(0.02);
    examples[2].limit = Some(0.2);
    assert_eq!(counts(&evaluation(examples).limits().unwrap()), [(2, 3), (1, 3)]);
}

#[test]
fn flags_of_wrong_and_of_right_answers_are_counted_apart() {
    let answers = [
        (0.001, 0.001),
        (0.001, 2.0 * TRUST),
        (0.5, 2.0 * TRUST),
        (0.6, f64::INFINITY),
        (0.7, 0.001),
    ];
    let found = evaluation(
        answers
            .map(|(error, residual)| measured("add", 2, error, residual))
            .to_vec(),
    );
    assert_eq!(counts(&found.flagged()), [(2, 3), (1, 2)]);
}

#[test]
fn the_last_stage_of_the_search_decides() {
    let mut examples = vec![measured("inverse", 2, 0.2, 0.02); 3];
    let of = |examples: &[Measured]| evaluation(examples.to_vec());
    assert!(of(&examples).verified().is_none() && of(&examples).repaired().is_none());
    assert_eq!(counts(&of(&examples).last()), [(0, 3), (0, 3)]);
    let outcome = |error, residual| Some(Outcome { residual, error });
    examples[0].verified = outcome(0.03, 0.02);
    examples[1].verified = outcome(0.03, 0.02);
    examples[1].repaired = outcome(0.001, 0.001);
    // An answer without an outcome counts as wrong in this stage.
    assert_eq!(counts(&of(&examples).verified().unwrap()), [(2, 3), (0, 3)]);
    assert_eq!(counts(&of(&examples).repaired().unwrap()), [(1, 3), (1, 3)]);
    assert_eq!(counts(&of(&examples).last()), [(2, 3), (1, 3)]);
    // Of the answers with a small residual: all three below 5 %, one below 1 %.
    assert_eq!(counts(&of(&examples).confirmed()), [(2, 3), (1, 1)]);
}

#[test]
fn results_are_told_for_each_size_and_each_problem() {
    let found = evaluation(vec![
        measured("transpose", 3, 0.0, 0.0),
        measured("add", 2, 0.0, 0.0),
        measured("add", 3, 0.5, 0.0),
    ]);
    let sizes: Vec<_> = found
        .by_size()
        .into_iter()
        .map(|(size, part)| (size.rows, counts(&part.accuracies())[0]))
        .collect();
    assert_eq!(sizes, [(2, (1, 1)), (3, (1, 2))]);
    let problems: Vec<_> = found
        .by_problem()
        .into_iter()
        .map(|(name, part)| (name, counts(&part.accuracies())[0]))
        .collect();
    assert_eq!(problems, [("add", (1, 2)), ("transpose", (1, 1))]);
}

#[test]
fn an_analysis_tells_right_answers_from_wrong_ones() {
    // Inverses of 2 I: ten right answers, of which the model is surer, and ten wrong ones.
    let answer = |entry: f64, error: f64, log_probability: f64| {
        let mut measured = measured("inverse", 2, error, error);
        measured.example.operands[0] = Matrix::identity(2, 2) * 2.0;
        measured.example.solution[0] = Matrix::identity(2, 2) * 0.5;
        measured.prediction = vec![Matrix::identity(2, 2) * entry];
        measured.log_probability = log_probability;
        measured
    };
    let answers = [vec![answer(0.5, 0.0, -0.4); 10], vec![answer(0.6, 0.2, -4.0); 10]].concat();
    let found = Analysis::of(&evaluation(answers), 0.05);
    assert_eq!(counts(&[found.right]), [(10, 20)]);

    let properties: Vec<_> = found
        .properties
        .iter()
        .map(|of| (of.name, counts(&of.accuracies)))
        .collect();
    let half = vec![(10, 20), (10, 20)];
    assert_eq!(
        properties,
        ["the whole answer", "coefficients", "P A = I"].map(|name| (name, half.clone()))
    );

    let names: Vec<_> = found.indicators.iter().map(|of| of.indicator.name).collect();
    let all = [
        "the model's doubt",
        "residual",
        "condition of A",
        "condition of P",
        "norm of P",
    ];
    assert_eq!(names, all);
    // The mean over four coefficients: 0.1 for right answers, 1 for wrong ones.
    let doubt = &found.indicators[0];
    assert_eq!(
        [&doubt.right, &doubt.wrong].map(|part| part.as_ref().unwrap().median),
        [0.1, 1.0]
    );
    assert_eq!(
        (doubt.values.first(), doubt.values.last()),
        (Some(&(0.1, true)), Some(&(1.0, false)))
    );
    let threshold = doubt.threshold.unwrap();
    assert_eq!(
        (threshold.value, threshold.above, threshold.accuracy, threshold.found),
        (0.1, true, 1.0, 1.0)
    );
    let areas: Vec<_> = found.indicators.iter().map(|of| of.area).collect();
    // All operands are the same, and so are the conditions of their answers.
    assert_eq!(areas, [1.0, 1.0, 0.5, 0.5, 1.0].map(Some));

    let bins: Vec<_> = found
        .calibration
        .iter()
        .map(|bin| (bin.log_probability, counts(&bin.accuracies)[0]))
        .collect();
    assert_eq!(bins, [[(-1.0, (0, 2)); 5], [(-0.1, (2, 2)); 5]].concat());
}
