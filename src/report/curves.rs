//! Line charts as SVG; no fonts of the system are read, so the same numbers give the same file everywhere.

use crate::file;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    pub name: String,
    /// Points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Width and height in pixels.
const SIZE: (u32, u32) = (860, 480);
/// Where the legend begins, to the right of the chart.
const LEGEND: u32 = 660;
/// Top of the legend, and from one entry to the next.
const LEGEND_TOP: i32 = 76;
const LEGEND_STEP: i32 = 26;
/// Points are marked one by one up to this number.
const MARKED: usize = 40;
pub(super) const FONT: &str = "Helvetica, Arial, sans-serif";
pub(super) const INK: RGBColor = RGBColor(51, 51, 51);
pub(super) const GRID: RGBColor = RGBColor(225, 225, 225);
/// The colors of Okabe and Ito, which color-blind people tell apart; without yellow, which is faint on white.
pub(super) const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// Draws accuracies (0 to 100 %) against examples. The file is written whole or not at all.
pub fn accuracy_curves(path: &Path, title: &str, curves: &[Curve]) -> Result<()> {
    let mut svg = String::new();
    draw(&mut svg, title, curves).map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
    file::replace(path, svg.as_bytes())
}

pub(super) type Drawn<'a, T = ()> = Result<T, DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw<'a>(svg: &'a mut String, title: &str, curves: &[Curve]) -> Drawn<'a> {
    let curves: Vec<Curve> = curves.iter().map(finite).collect();
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(LEGEND);
    chart(&left, title, &curves)?;
    legend(&right, &curves)?;
    area.present()
}

fn chart<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, title: &str, curves: &[Curve]) -> Drawn<'a> {
    let last = curves
        .iter()
        .flat_map(|curve| &curve.points)
        .map(|point| point.0)
        .fold(0.0, f64::max);
    let last = if last > 0.0 { last } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(title, (FONT, 20).into_font().color(&INK))
        .x_label_area_size(50)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last, 0.0..100.0)?;
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
        .x_labels(8)
        .y_labels(6)
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), color.stroke_width(2)))?;
        if curve.points.len() <= MARKED {
            chart.draw_series(curve.points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
        }
    }
    Ok(())
}

/// A short line, the name and the last value of each curve.
fn legend<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, curves: &[Curve]) -> Drawn<'a> {
    let text = (FONT, 14)
        .into_font()
        .color(&INK)
        .pos(Pos::new(HPos::Left, VPos::Center));
    for ((curve, color), entry) in curves.iter().zip(COLORS.iter().cycle()).zip(0..) {
        let y = LEGEND_TOP + entry * LEGEND_STEP;
        area.draw(&PathElement::new([(4, y), (28, y)], color.stroke_width(3)))?;
        let value = curve
            .points
            .last()
            .map_or(String::new(), |(_, y)| format!(": {y:.2} %"));
        area.draw(&Text::new(format!("{}{value}", curve.name), (36, y), &text))?;
    }
    Ok(())
}

fn finite(curve: &Curve) -> Curve {
    let points = curve
        .points
        .iter()
        .copied()
        .filter(|(x, y)| x.is_finite() && y.is_finite());
    Curve {
        name: curve.name.clone(),
        points: points.collect(),
    }
}

/// `0`, `950`, `1.5k`, `200k`, `3M`.
pub(super) fn short(number: f64) -> String {
    let (scaled, unit) = match number.abs() {
        size if size >= 1e9 => (number / 1e9, "G"),
        size if size >= 1e6 => (number / 1e6, "M"),
        size if size >= 1e3 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    // Three digits are enough to tell ticks apart.
    format!("{}{unit}", (scaled * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn curves() -> Vec<Curve> {
        let within = |name: &str, middle: f64| Curve {
            name: name.into(),
            points: (0..=6)
                .map(|i| (f64::from(i) * 35_200.0, 100.0 / (1.0 + (middle - f64::from(i)).exp())))
                .collect(),
        };
        vec![
            within("within 5 %", 1.0),
            within("within 2 %", 2.5),
            within("within 1 %", 4.0),
            within("within 0.5 %", 5.5),
        ]
    }

    fn drawn(curves: &[Curve]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        accuracy_curves(&path, "eigenvalues 3x3", curves).unwrap();
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside the file"
        );
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_chart_has_title_axes_and_a_legend_with_the_last_values() {
        let svg = drawn(&curves());
        for text in [
            "eigenvalues 3x3",
            "examples",
            "accuracy (%)",
            "100k",
            "within 0.5 %: 62.25 %",
            "within 5 %: 99.33 %",
        ] {
            assert!(svg.contains(text), "{text} is missing");
        }
        for RGBColor(red, green, blue) in &COLORS[..4] {
            let line = format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\"");
            assert_eq!(
                svg.matches(&line).count(),
                2,
                "one line in the chart and one in the legend"
            );
        }
    }

    #[test]
    fn the_same_numbers_give_the_same_file() {
        assert_eq!(drawn(&curves()), drawn(&curves()));
    }

    #[test]
    fn a_run_without_evaluations_has_an_empty_chart() {
        assert!(drawn(&[]).contains("accuracy (%)"));
        let empty = Curve {
            name: "within 5 %".into(),
            points: vec![],
        };
        assert!(drawn(&[empty]).contains(">\nwithin 5 %\n<"));
    }

    #[test]
    fn points_that_are_not_finite_are_left_out() {
        let curve = Curve {
            name: "a".into(),
            points: vec![(0.0, 1.0), (f64::INFINITY, 2.0), (5.0, f64::NAN), (10.0, 3.0)],
        };
        let svg = drawn(&[curve]);
        assert!(svg.contains("a: 3.00 %") && !svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn names_cannot_break_the_file() {
        let svg = drawn(&[Curve {
            name: "<&>".into(),
            points: vec![(1.0, 1.0)],
        }]);
        assert!(svg.contains("&lt;&amp;&gt;"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let text = format!(
            "{:#}",
            accuracy_curves(Path::new("missing/curves.svg"), "", &[]).unwrap_err()
        );
        assert!(text.contains("cannot write missing/curves.svg"), "{text}");
    }

    #[test]
    fn numbers_are_short() {
        for (number, wanted) in [
            (0.0, "0"),
            (950.0, "950"),
            (1_500.0, "1.5k"),
            (200_000.0, "200k"),
            (1_250_000.0, "1.25M"),
            (3e9, "3G"),
            (0.25, "0.25"),
        ] {
            assert_eq!(short(number), wanted);
        }
    }
}
