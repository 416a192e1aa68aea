//! Lines and tables of results, for people and for programs.

use super::Table;
use super::table::percent;
use crate::evaluation::{Accuracy, Evaluation};
use crate::training::{Estimate, LogLine};
use serde_json::{Map, Value, json};

/// A line of the training log.
pub fn log_line(line: &LogLine) -> String {
    let parts: Vec<_> = line
        .parts
        .iter()
        .map(|(name, loss)| format!("{name} {loss:.3}"))
        .collect();
    format!(
        "step {}/{} ({:.0} %)  loss {:.4} ({})  grad {:.2}  lr {:.2e}  {:.0} examples/s  waiting {:.0} %  {} elapsed  {} left",
        line.step,
        line.steps,
        100.0 * line.step as f64 / line.steps as f64,
        line.loss,
        parts.join(", "),
        line.gradient_norm,
        line.learning_rate,
        line.examples_per_second,
        100.0 * line.waiting,
        clock(line.elapsed),
        clock(line.remaining),
    )
}

/// A progress line between log lines.
pub fn estimate_line(estimate: Estimate) -> String {
    format!(
        "step {}/{}  {:.0} examples/s  {} left",
        estimate.step,
        estimate.steps,
        estimate.examples_per_second,
        clock(estimate.remaining)
    )
}

/// `1:02:03`, or `2:03` below an hour.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// The lines for an evaluation during training: for all problems together, for each of several problems, and for the
/// training set if it was measured.
pub fn evaluation_line(
    step: u64,
    evaluation: &Evaluation,
    training_set: Option<&Evaluation>,
    improved: bool,
) -> String {
    let star = if improved { "  (best so far)" } else { "" };
    let mut lines = format!(
        "evaluated at step {step}: {}  of {} validation examples{star}",
        accuracies(evaluation),
        evaluation.examples.len()
    );
    let problems = evaluation.by_problem();
    if problems.len() > 1 {
        for (name, part) in &problems {
            lines.push_str(&format!("\n  {name}: {}", accuracies(part)));
        }
    }
    if let Some(part) = training_set {
        let (accuracies, count) = (accuracies(part), part.examples.len());
        lines.push_str(&format!("\n  training set: {accuracies}  of {count} examples"));
    }
    lines
}

/// `98.20 % within 5 %, 60.10 % within 2 %`
fn accuracies(evaluation: &Evaluation) -> String {
    let accuracies = evaluation
        .tolerances
        .iter()
        .zip(evaluation.accuracies())
        .map(|(tolerance, accuracy)| format!("{:.2} % within {} %", 100.0 * accuracy.share(), percent(*tolerance)));
    accuracies.collect::<Vec<_>>().join(", ")
}

/// `0.236 %`, or `1.9e94 times the answer` if a percentage would be too long to read.
pub fn error_percent(error: f64) -> String {
    if error < 100.0 {
        format!("{:.3} %", 100.0 * error)
    } else {
        format!("{error:.1e} times the answer")
    }
}

fn with_interval(accuracy: Accuracy) -> (String, String) {
    let (low, high) = accuracy.interval();
    (
        format!("{:.2} %", 100.0 * accuracy.share()),
        format!("{:.2} to {:.2}", 100.0 * low, 100.0 * high),
    )
}

/// A table of the accuracy at each tolerance, with its interval and the encoding's ceiling, and the limit if there is
/// noise. Several problems have a table each; several sizes have rows of their own.
pub fn evaluation_table(name: &str, evaluation: &Evaluation) -> String {
    let problems = evaluation.by_problem();
    if problems.len() > 1 {
        let mut tables: Vec<String> = problems.iter().map(|(name, part)| problem_table(name, part)).collect();
        let mean = format!("{name}, all {} problems", problems.len());
        tables.push(problem_table(&mean, evaluation));
        return tables.join("\n\n");
    }
    problem_table(name, evaluation)
}

fn problem_table(name: &str, evaluation: &Evaluation) -> String {
    let limits = evaluation.limits();
    let mut headers = vec!["within", "right", "95 % interval", "ceiling"];
    headers.extend(limits.iter().map(|_| "limit"));
    let (verified, repaired) = (evaluation.verified(), evaluation.repaired());
    headers.extend(verified.iter().map(|_| "verified"));
    headers.extend(repaired.iter().map(|_| "repaired"));
    let is_checked = verified.is_some() || repaired.is_some();
    let confirmed = is_checked.then(|| evaluation.confirmed());
    headers.extend(confirmed.iter().flat_map(|_| ["confirmed", "of them right"]));
    let mut table = Table::new(&headers);
    let ceilings = evaluation.ceilings();
    let measures = evaluation.tolerances.iter().zip(evaluation.accuracies()).zip(ceilings);
    for (i, ((tolerance, accuracy), ceiling)) in measures.enumerate() {
        let (share, interval) = with_interval(accuracy);
        let mut cells = vec![format!("{} %", percent(*tolerance)), share, interval];
        let limit = limits.as_ref().map(|limits| limits[i]);
        let beside = std::iter::once(ceiling).chain(limit);
        let beside = beside.chain(
            [&verified, &repaired]
                .into_iter()
                .flatten()
                .map(|accuracies| accuracies[i]),
        );
        cells.extend(beside.map(|accuracy| format!("{:.2} %", 100.0 * accuracy.share())));
        if let Some(confirmed) = &confirmed {
            let share = confirmed[i].count as f64 / evaluation.examples.len().max(1) as f64;
            cells.push(format!("{:.2} %", 100.0 * share));
            cells.push(match confirmed[i].count {
                0 => "-".into(),
                _ => format!("{:.2} %", 100.0 * confirmed[i].share()),
            });
        }
        table.row(cells);
    }
    let (share, interval) = with_interval(evaluation.exact());
    table.row(vec!["every token".into(), share, interval, "100.00 %".into()]);
    let mut text = format!(
        "{name}: {} examples, median error {}\n{table}\n{}",
        evaluation.examples.len(),
        error_percent(evaluation.median_error()),
        flagged(evaluation)
    );
    let sizes = evaluation.by_size();
    if sizes.len() > 1 {
        let mut headers = vec!["size".to_string(), "examples".to_string()];
        headers.extend(
            evaluation
                .tolerances
                .iter()
                .map(|tolerance| format!("{} %", percent(*tolerance))),
        );
        let mut table = Table::new(headers);
        for (size, part) in sizes {
            let mut cells = vec![size.to_string(), part.examples.len().to_string()];
            cells.extend(
                part.accuracies()
                    .into_iter()
                    .map(|accuracy| format!("{:.1}", 100.0 * accuracy.share())),
            );
            table.row(cells);
        }
        text.push_str(&format!("\n\n{table}"));
    }
    text
}

/// `not to be trusted: 12 of 12 wrong answers, 3 of 9988 right ones`
fn flagged(evaluation: &Evaluation) -> String {
    let [wrong, right] = evaluation.flagged();
    format!(
        "not to be trusted: {} of {} wrong answers, {} of {} right ones",
        wrong.right, wrong.count, right.right, right.count
    )
}

/// Results as JSON. Tolerances are keys: `"accuracy": {"0.05": 0.998}`. `"problems"` has the results of each of several
/// problems.
pub fn evaluation_json(evaluation: &Evaluation) -> Value {
    let by_tolerance = |accuracies: Vec<Accuracy>, value: &dyn Fn(Accuracy) -> Value| -> Map<String, Value> {
        evaluation
            .tolerances
            .iter()
            .zip(accuracies)
            .map(|(tolerance, accuracy)| (tolerance.to_string(), value(accuracy)))
            .collect()
    };
    let interval = |accuracy: Accuracy| {
        let (low, high) = accuracy.interval();
        json!([low, high])
    };
    let [wrong, right] = evaluation.flagged();
    let mut measures = json!({
        "count": evaluation.examples.len(),
        "accuracy": by_tolerance(evaluation.accuracies(), &|accuracy| json!(accuracy.share())),
        "interval": by_tolerance(evaluation.accuracies(), &interval),
        "ceiling": by_tolerance(evaluation.ceilings(), &|accuracy| json!(accuracy.share())),
        "exact": evaluation.exact().share(),
        "flagged": {
            "wrong": { "share": wrong.share(), "of": wrong.count },
            "right": { "share": right.share(), "of": right.count },
        },
        "median_error": evaluation.median_error(),
    });
    let problems = evaluation.by_problem();
    if problems.len() > 1 {
        let parts = problems
            .iter()
            .map(|(name, part)| (name.to_string(), evaluation_json(part)));
        measures["problems"] = parts.collect::<Map<_, _>>().into();
    }
    for (key, accuracies) in [("verified", evaluation.verified()), ("repaired", evaluation.repaired())] {
        if let Some(accuracies) = accuracies {
            measures[key] = by_tolerance(accuracies, &|accuracy| json!(accuracy.share())).into();
            let count = evaluation.examples.len().max(1) as f64;
            let confirmed =
                |accuracy: Accuracy| json!({ "share": accuracy.count as f64 / count, "right": accuracy.share() });
            measures["confirmed"] = by_tolerance(evaluation.confirmed(), &confirmed).into();
        }
    }
    if let Some(limits) = evaluation.limits() {
        measures["limit"] = by_tolerance(limits, &|accuracy| json!(accuracy.share())).into();
    }
    measures
}
