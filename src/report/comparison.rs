//! Accuracy against examples of several runs, on a logarithmic axis, as SVG.

use super::curves::{COLORS, Curve, Drawn, FONT, GRID, INK, short};
use crate::file;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// Width of the chart and of its legend, and the height of both, in pixels.
const CHART: u32 = 660;
const LEGEND: u32 = 300;
const HEIGHT: u32 = 480;
/// Top of the legend, and from one entry to the next.
const LEGEND_TOP: i32 = 76;
const LEGEND_STEP: i32 = 26;

/// Draws accuracies (0 to 100 %) against examples; points without examples are left out. The file is written whole or not at
/// all.
pub fn draw_comparison(path: &Path, title: &str, curves: &[Curve]) -> Result<()> {
    let mut svg = String::new();
    draw(&mut svg, title, curves).map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
    file::replace(path, svg.as_bytes())
}

fn draw<'a>(svg: &'a mut String, title: &str, curves: &[Curve]) -> Drawn<'a> {
    let height = HEIGHT.max(LEGEND_TOP as u32 + LEGEND_STEP as u32 * curves.len() as u32);
    let area = SVGBackend::with_string(svg, (CHART + LEGEND, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(CHART);
    chart(&left, title, curves)?;
    legend(&right, curves)?;
    area.present()
}

fn drawable(curve: &Curve) -> impl Iterator<Item = (f64, f64)> + '_ {
    let points = curve.points.iter().copied();
    points.filter(|(x, y)| x.is_finite() && *x > 0.0 && y.is_finite())
}

fn chart<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, title: &str, curves: &[Curve]) -> Drawn<'a> {
    let examples = || curves.iter().flat_map(drawable).map(|point| point.0);
    let (first, last) = (examples().fold(f64::INFINITY, f64::min), examples().fold(0.0, f64::max));
    let ticks = if last > 0.0 {
        ticks(first, last)
    } else {
        vec![1.0, 10.0]
    };
    let range = ticks[0]..ticks[ticks.len() - 1];
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(title, (FONT, 20).into_font().color(&INK))
        .x_label_area_size(50)
        .y_label_area_size(64)
        .build_cartesian_2d(range.log_scale().with_key_points(ticks), 0.0..100.0)?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_desc("examples")
        .y_desc("accuracy (%)")
        .axis_desc_style((FONT, 16).into_font().color(&INK))
        .label_style((FONT, 14).into_font().color(&INK))
        .y_labels(6)
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        chart.draw_series(LineSeries::new(drawable(curve), color.stroke_width(2)))?;
        chart.draw_series(drawable(curve).map(|point| Circle::new(point, 3, color.filled())))?;
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

/// A short line, the name and the last value of each curve.
fn legend<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, curves: &[Curve]) -> Drawn<'a> {
    let place = Pos::new(HPos::Left, VPos::Center);
    let text = (FONT, 14).into_font().color(&INK).pos(place);
    for ((curve, color), entry) in curves.iter().zip(COLORS.iter().cycle()).zip(0..) {
        let y = LEGEND_TOP + entry * LEGEND_STEP;
        area.draw(&PathElement::new([(4, y), (28, y)], color.stroke_width(3)))?;
        let value = drawable(curve)
            .last()
            .map_or(String::new(), |(_, y)| format!(": {y:.2} %"));
        area.draw(&Text::new(format!("{}{value}", curve.name), (36, y), &text))?;
    }
    Ok(())
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
