//! Accuracy against examples of several runs, on a logarithmic axis, as SVG.

use super::chart::{Area, Drawn, picture};
use super::curves::{Curve, LEGEND_STEP, LEGEND_TOP, colored, frame, legend, line};
use anyhow::Result;
use plotters::prelude::*;
use std::path::Path;

/// Width of the chart and of its legend, and the height of both, in pixels.
const CHART: u32 = 660;
const LEGEND: u32 = 300;
const HEIGHT: u32 = 480;

/// Draws accuracies (0 to 100 %) against examples; points without examples are left out. The file is written whole or not at
/// all.
pub fn draw_comparison(path: &Path, title: &str, curves: &[Curve]) -> Result<()> {
    let curves: Vec<Curve> = curves.iter().map(|curve| curve.only(|x, _| x > 0.0)).collect();
    let height = HEIGHT.max(LEGEND_TOP as u32 + LEGEND_STEP as u32 * curves.len() as u32);
    picture(path, (CHART + LEGEND, height), |area| {
        let (left, right) = area.split_horizontally(CHART);
        chart(&left, title, &curves)?;
        legend(&right, &curves)
    })
}

fn chart(area: &Area<'_>, title: &str, curves: &[Curve]) -> Drawn {
    let examples = || curves.iter().flat_map(|curve| &curve.points).map(|point| point.0);
    let (first, last) = (examples().fold(f64::INFINITY, f64::min), examples().fold(0.0, f64::max));
    let ticks = if last > 0.0 {
        ticks(first, last)
    } else {
        vec![1.0, 10.0]
    };
    let range = (ticks[0]..ticks[ticks.len() - 1]).log_scale();
    let mut chart = frame(title, ticks.len()).draw(area, range.with_key_points(ticks), 0.0..100.0)?;
    for (curve, color) in colored(curves) {
        line(&mut chart, curve, color, true)?;
    }
    Ok(())
}

/// Ticks from the last at or below the first value to the first above the last: 1, 2 and 5 of every power of ten, or the
/// powers alone where these are many.
fn ticks(first: f64, last: f64) -> Vec<f64> {
    const MANY: usize = 9;
    let within = |steps: &[f64]| {
        let powers = first.log10().floor() as i32..=last.log10().floor() as i32 + 1;
        let all: Vec<f64> = powers
            .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
            .collect();
        let start = all.iter().rposition(|tick| *tick <= first).unwrap_or(0);
        let end = all.iter().position(|tick| *tick > last).unwrap_or(all.len() - 1);
        all[start..=end].to_vec()
    };
    let fine = within(&[1.0, 2.0, 5.0]);
    if fine.len() <= MANY { fine } else { within(&[1.0]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn curve(name: &str, points: &[(f64, f64)]) -> Curve {
        Curve {
            name: name.into(),
            points: points.to_vec(),
            dashed: false,
        }
    }

    fn drawn(curves: &[Curve]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.svg");
        draw_comparison(&path, "within 5 %", curves).unwrap();
        fs::read_to_string(path).unwrap()
    }

    /// The abscissas of the marks.
    fn marks(svg: &str) -> Vec<f64> {
        let marks = svg.split("<circle cx=\"").skip(1);
        marks
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect()
    }

    #[test]
    fn equal_factors_are_equal_distances() {
        let svg = drawn(&[
            curve("a", &[(100.0, 0.0), (1_000.0, 50.0), (10_000.0, 99.5)]),
            curve("b", &[(200.0, 3.0)]),
        ]);
        let found = marks(&svg);
        assert_eq!(found.len(), 4);
        assert!(
            ((found[1] - found[0]) - (found[2] - found[1])).abs() <= 1.0,
            "{found:?}"
        );
        for text in ["within 5 %", "examples", "1k", "a: 99.50 %", "b: 3.00 %"] {
            assert!(svg.contains(text), "{text} is missing");
        }
    }

    #[test]
    fn ticks_hold_all_values_and_are_few() {
        assert_eq!(ticks(1_280.0, 38_400.0), [1e3, 2e3, 5e3, 1e4, 2e4, 5e4]);
        assert_eq!(ticks(64.0, 64.0), [50.0, 100.0]);
        assert_eq!(ticks(100.0, 1e7), [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8]);
    }

    #[test]
    fn points_that_a_logarithm_cannot_show_are_left_out() {
        let svg = drawn(&[curve(
            "a",
            &[(0.0, 1.0), (f64::NAN, 1.0), (10.0, f64::NAN), (10.0, 2.0)],
        )]);
        assert_eq!(marks(&svg).len(), 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert!(drawn(&[]).contains("accuracy (%)"));
        assert!(drawn(&[curve("none", &[])]).contains(">\nnone\n<"));
    }
}
