//! Results of one model on one or several test sets.

use super::table::percent;
use super::text::{error_percent, evaluation_json, evaluation_table};
use super::{PaperFigures, Provenance, Table};
use crate::dataset::Collisions;
use crate::evaluation::{Accuracy, Evaluation, Outside};
use serde_json::{Map, Value, json};

/// The results on one test set.
#[derive(Clone, Debug)]
pub struct TestSet {
    pub name: String,
    pub evaluation: Evaluation,
    /// The fraction of the set outside of the training distribution; `None` if the problem has no spectrum.
    pub outside: Option<Outside>,
    /// Counts of test examples that the model has seen in training, if they were requested.
    pub seen: Option<Collisions>,
    /// The paper's results on such a test set; `None` if it has none.
    pub paper: Option<PaperFigures>,
}

/// A table with one row per tolerance for a single set, else with one row per set.
pub fn sets_table(sets: &[TestSet]) -> String {
    match sets {
        [one] => {
            let mut text = evaluation_table(&one.name, &one.evaluation);
            if let Some(outside) = one.outside {
                text.push_str(&format!(
                    "\noutside of the training's eigenvalues: {} % of the matrices; by rank: {} %",
                    two_digits(outside.range),
                    two_digits(outside.ranks)
                ));
            }
            if let Some(seen) = one.seen {
                let (found, all) = (seen.collisions, seen.seen);
                text.push_str(&format!("\n{found} of {all} examples seen before occur in the test"));
            }
            if let Some(paper) = &one.paper {
                text.push_str(&format!("\n{paper}"));
            }
            text
        }
        many => rows(many),
    }
}

fn rows(sets: &[TestSet]) -> String {
    let tolerances = sets.first().map_or(&[][..], |set| &set.evaluation.tolerances);
    let has_limits = sets.iter().any(|set| set.evaluation.limits().is_some());
    let has = |accuracies: fn(&Evaluation) -> Option<Vec<Accuracy>>| {
        sets.iter().any(|set| accuracies(&set.evaluation).is_some())
    };
    let checked = [
        (
            "verified",
            Evaluation::verified as fn(&Evaluation) -> Option<Vec<Accuracy>>,
        ),
        ("repaired", Evaluation::repaired),
    ];
    let checked: Vec<_> = checked.into_iter().filter(|(_, accuracies)| has(*accuracies)).collect();
    let has_spectra = sets.iter().any(|set| set.outside.is_some());
    let mut headers = vec!["test".to_string(), "examples".into()];
    headers.extend(
        tolerances
            .iter()
            .map(|tolerance| format!("{} % (interval)", percent(*tolerance))),
    );
    headers.extend(["median error".into(), "ceilings".into()]);
    headers.extend(["flagged wrong".into(), "flagged right".into()]);
    headers.extend(has_limits.then(|| "limits".into()));
    headers.extend(checked.iter().map(|(name, _)| name.to_string()));
    headers.extend(
        has_spectra
            .then(|| ["outside".into(), "by rank".into()])
            .into_iter()
            .flatten(),
    );
    let has_seen = sets.iter().any(|set| set.seen.is_some());
    headers.extend(has_seen.then(|| "seen before".into()));
    let mut table = Table::new(headers);
    for TestSet {
        name,
        evaluation,
        outside,
        seen,
        ..
    } in sets
    {
        let mut cells = vec![name.clone(), evaluation.examples.len().to_string()];
        cells.extend(evaluation.accuracies().into_iter().map(with_interval));
        cells.push(error_percent(evaluation.median_error()));
        cells.push(shares(&evaluation.ceilings()));
        cells.extend(
            evaluation
                .flagged()
                .map(|flagged| format!("{} of {}", flagged.right, flagged.count)),
        );
        if has_limits {
            cells.push(evaluation.limits().map_or("-".into(), |limits| shares(&limits)));
        }
        for (_, accuracies) in &checked {
            cells.push(accuracies(evaluation).map_or("-".into(), |accuracies| shares(&accuracies)));
        }
        if has_spectra {
            let shares = outside.map(|outside| [outside.range, outside.ranks]);
            let cell = |share| format!("{} %", two_digits(share));
            cells.extend(shares.map_or(["-".into(), "-".into()], |shares| shares.map(cell)));
        }
        if has_seen {
            cells.push(seen.map_or("-".into(), |seen| format!("{} of {}", seen.collisions, seen.seen)));
        }
        table.row(cells);
    }
    table.to_string()
}

/// `93.52 (93.02 to 93.99)`
fn with_interval(accuracy: Accuracy) -> String {
    let (low, high) = accuracy.interval();
    let [share, low, high] = [accuracy.share(), low, high].map(two_digits);
    format!("{share} ({low} to {high})")
}

/// `100.00 / 99.80 / 71.20 / 11.90`
fn shares(accuracies: &[Accuracy]) -> String {
    let shares: Vec<_> = accuracies.iter().map(|accuracy| two_digits(accuracy.share())).collect();
    shares.join(" / ")
}

/// A fraction as a percentage with two decimals.
fn two_digits(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

/// The results of a single set, or of several sets by name. Each has the provenance of the measurement.
pub fn sets_json(sets: &[TestSet], provenance: &Provenance) -> Value {
    let measures = |set: &TestSet| {
        let mut measures = evaluation_json(&set.evaluation);
        measures["provenance"] = json!(provenance);
        if let Some(outside) = set.outside {
            measures["outside"] = json!({ "range": outside.range, "ranks": outside.ranks });
        }
        if let Some(seen) = set.seen {
            measures["seen_before"] = json!({ "examples": seen.seen, "in_test": seen.collisions });
        }
        if let Some(paper) = &set.paper {
            let accuracies: Map<String, Value> = paper
                .known()
                .map(|(tolerance, percent)| (tolerance, json!(percent / 100.0)))
                .collect();
            measures["paper"] = json!({ "model": paper.model, "accuracy": accuracies, "confidence": paper.confidence });
        }
        measures
    };
    match sets {
        [one] => measures(one),
        many => many.iter().map(|set| (set.name.clone(), measures(set))).collect(),
    }
}
