//! Reports of an analysis: text, tables and pictures.

use super::heatmap::{Heatmap, draw_heatmap};
use super::{Table, percent};
use crate::evaluation::{Accuracy, Analysis, IndicatorReport, Quantiles, TAIL, Threshold};
use crate::file;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The number of groups into which answers are split by the value of an indicator; their sizes are nearly equal.
const PARTS: usize = 10;

/// The whole report as text.
pub fn analysis_text(name: &str, analysis: &Analysis) -> String {
    let tolerance = percent(analysis.tolerance);
    let (right, wrong) = (analysis.right.right, analysis.right.count - analysis.right.right);
    let mut parts = vec![format!(
        "{name}: {right} right and {wrong} wrong answers within {tolerance} %\n\n\
         Answers that have each property of a solution, in %, at each tolerance\n{}",
        properties(analysis)
    )];
    parts.push(format!(
        "Indicators of wrong answers at {tolerance} %: medians, with the {} % and {} % quantiles\n{}",
        percent(TAIL),
        percent(1.0 - TAIL),
        indicators(analysis)
    ));
    parts.push(format!(
        "Always guessing the majority is right for {} %. Area: the probability that a wrong answer has a larger value \
         than a right one. An area of 0.5 means no information; near 0, small values indicate failures.",
        two(analysis.right.share().max(1.0 - analysis.right.share()))
    ));
    parts.push(format!(
        "Accuracy in %, from the answers that the model gives the lowest probability to the highest\n{}",
        calibration(analysis)
    ));
    parts.join("\n\n")
}

/// Writes the report as text, its tables as CSV, and pictures into a folder. Returns the paths of the files.
pub fn analysis_files(folder: &Path, name: &str, analysis: &Analysis) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut files = Vec::new();
    let mut write = |file: &str, content: String| -> Result<()> {
        let path = folder.join(file);
        file::replace(&path, content.as_bytes())?;
        files.push(path);
        Ok(())
    };
    write("report.txt", analysis_text(name, analysis) + "\n")?;
    write("properties.csv", properties(analysis).csv()?)?;
    write("signals.csv", indicators(analysis).csv()?)?;
    write("calibration.csv", calibration(analysis).csv()?)?;
    let tolerance = percent(analysis.tolerance);
    let maps = [
        (
            "properties.svg",
            Heatmap {
                title: "Answers with each property (%)",
                axes: ("property", "tolerance (%)"),
                rows: analysis
                    .properties
                    .iter()
                    .map(|property| property.name.into())
                    .collect(),
                columns: tolerances(analysis),
                shares: analysis
                    .properties
                    .iter()
                    .map(|property| shares(&property.accuracies))
                    .collect(),
            },
        ),
        (
            "signals.svg",
            Heatmap {
                title: &format!("Wrong answers at {tolerance} %, from small to large values (%)"),
                axes: ("quantity", "tenth of the answers"),
                rows: analysis
                    .indicators
                    .iter()
                    .map(|report| report.indicator.name.into())
                    .collect(),
                columns: (1..=PARTS).map(|part| part.to_string()).collect(),
                shares: analysis.indicators.iter().map(failures).collect(),
            },
        ),
        (
            "calibration.svg",
            Heatmap {
                title: "Accuracy, from the least to the most probable answers (%)",
                axes: ("tolerance (%)", "mean log-probability of a coefficient"),
                rows: tolerances(analysis),
                columns: analysis
                    .calibration
                    .iter()
                    .map(|bin| format!("{:.2}", bin.log_probability))
                    .collect(),
                shares: (0..analysis.tolerances.len())
                    .map(|i| {
                        analysis
                            .calibration
                            .iter()
                            .map(|bin| bin.accuracies[i].share())
                            .collect()
                    })
                    .collect(),
            },
        ),
    ];
    for (file, map) in maps {
        draw_heatmap(&folder.join(file), &map)?;
        files.push(folder.join(file));
    }
    Ok(files)
}

/// Fraction of wrong answers in each part, in the order of the indicator's values.
fn failures(report: &IndicatorReport) -> Vec<f64> {
    let values = &report.values;
    let part = |part: usize| {
        let values = &values[part * values.len() / PARTS..(part + 1) * values.len() / PARTS];
        values.iter().filter(|(_, right)| !right).count() as f64 / values.len() as f64
    };
    (0..PARTS).map(part).collect()
}

fn tolerances(analysis: &Analysis) -> Vec<String> {
    analysis
        .tolerances
        .iter()
        .map(|&tolerance| percent(tolerance))
        .collect()
}

fn shares(accuracies: &[Accuracy]) -> Vec<f64> {
    accuracies.iter().map(|accuracy| accuracy.share()).collect()
}

/// A table with one column per tolerance after the first columns.
fn by_tolerance(analysis: &Analysis, first: &str) -> Table {
    let percents = tolerances(analysis).into_iter().map(|tolerance| tolerance + " %");
    Table::new(std::iter::once(first.to_string()).chain(percents))
}

fn cells(accuracies: &[Accuracy]) -> impl Iterator<Item = String> {
    accuracies.iter().map(|accuracy| two(accuracy.share()))
}

fn properties(analysis: &Analysis) -> Table {
    let mut table = by_tolerance(analysis, "property");
    for property in &analysis.properties {
        table.row(
            std::iter::once(property.name.to_string())
                .chain(cells(&property.accuracies))
                .collect(),
        );
    }
    table
}

fn calibration(analysis: &Analysis) -> Table {
    let mut table = by_tolerance(analysis, "mean log-probability of a coefficient");
    for bin in &analysis.calibration {
        let first = format!("{:.3}", bin.log_probability);
        table.row(std::iter::once(first).chain(cells(&bin.accuracies)).collect());
    }
    table
}

fn indicators(analysis: &Analysis) -> Table {
    let mut table = Table::new(&[
        "quantity",
        "known from",
        "right answers",
        "wrong answers",
        "area",
        "best threshold",
        "tells",
        "finds",
    ]);
    for IndicatorReport {
        indicator,
        right,
        wrong,
        area,
        threshold,
        ..
    } in &analysis.indicators
    {
        table.row(vec![
            indicator.name.into(),
            indicator.known_from.name().into(),
            right.map_or("-".into(), quantiles),
            wrong.map_or("-".into(), quantiles),
            area.map_or("-".into(), |area| format!("{area:.3}")),
            threshold.map_or("-".into(), |Threshold { value, above, .. }| {
                format!("{} {}", if above { ">" } else { "≤" }, short(value))
            }),
            threshold.map_or("-".into(), |threshold| format!("{} %", two(threshold.accuracy))),
            threshold.map_or("-".into(), |threshold| format!("{} %", two(threshold.found))),
        ]);
    }
    table
}

/// `1.01 (1.00 to 1.03)`
fn quantiles(quantiles: Quantiles) -> String {
    let Quantiles { low, median, high } = quantiles;
    format!("{} ({} to {})", short(median), short(low), short(high))
}

/// A number with three significant digits.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        magnitude if (0.01..1e4).contains(&magnitude) => {
            let digits = (2 - magnitude.log10().floor() as i32).clamp(0, 4) as usize;
            format!("{value:.digits$}")
        }
        _ => format!("{value:.2e}"),
    }
}

fn two(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let texts = [0.0, 1.01034, 94.6, 1234.5, 0.0301, 1e-5, -2.5, f64::INFINITY].map(short);
        assert_eq!(
            texts,
            ["0", "1.01", "94.6", "1234", "0.0301", "1.00e-5", "-2.50", "inf"]
        );
    }

    #[test]
    fn failures_are_counted_by_tenths() {
        let report = IndicatorReport {
            indicator: crate::evaluation::Indicator::of_input("condition of A"),
            right: None,
            wrong: None,
            area: None,
            threshold: None,
            values: (0..40).map(|i| (f64::from(i), i < 38)).collect(),
        };
        let found = failures(&report);
        assert_eq!((found[0], found[8], found[9]), (0.0, 0.0, 0.5));
    }
}
