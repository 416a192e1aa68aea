//! Line charts as SVG. They need no system fonts, so equal numbers give equal files on all machines.

use super::picture::{Area, Drawn, INK, picture, text};
use anyhow::Result;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

type Chart<'a, X, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>;

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    pub name: String,
    /// Points that are not finite are omitted.
    pub points: Vec<(f64, f64)>,
    /// Whether the curve is dashed, in the color of the previous curve.
    pub dashed: bool,
}

/// The scale of the axis of examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Linear,
    /// Points without examples are omitted.
    Logarithmic,
}

/// Width of the chart and of its legend, and the smallest height of both, in pixels.
const CHART: u32 = 660;
const LEGEND: u32 = 300;
const HEIGHT: u32 = 480;
const GRID: RGBColor = RGBColor(225, 225, 225);
/// The colors of Okabe and Ito, which color-blind people can distinguish. Yellow is omitted, because it is faint on
/// white.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
/// Top of the legend, and distance of its entries.
const LEGEND_TOP: i32 = 76;
const LEGEND_STEP: i32 = 26;
/// Pixels of a dash, and of the gap after it.
const DASH: u32 = 6;
const GAP: u32 = 4;
/// Curves with at most this many points have a mark at each point.
const MARKED: usize = 40;

/// Draws accuracies (0 to 100 %) against the number of examples. The file is replaced atomically.
pub fn accuracy_curves(path: &Path, title: &str, curves: &[Curve], axis: Axis) -> Result<()> {
    let mut curves = curves.to_vec();
    for curve in &mut curves {
        let has_place = |x: f64| x.is_finite() && (x > 0.0 || axis == Axis::Linear);
        curve.points.retain(|&(x, y)| has_place(x) && y.is_finite());
    }
    let height = HEIGHT.max(LEGEND_TOP as u32 + LEGEND_STEP as u32 * curves.len() as u32);
    picture(path, (CHART + LEGEND, height), |area| {
        let (left, right) = area.split_horizontally(CHART);
        let examples = || curves.iter().flat_map(|curve| &curve.points).map(|point| point.0);
        let (first, last) = (examples().fold(f64::INFINITY, f64::min), examples().fold(0.0, f64::max));
        match axis {
            Axis::Linear => {
                let range = 0.0..if last > 0.0 { last } else { 1.0 };
                lines(&mut frame(&left, title, 8, range)?, &curves)?;
            }
            Axis::Logarithmic => {
                let ticks = if last > 0.0 {
                    ticks(first, last)
                } else {
                    vec![1.0, 10.0]
                };
                let labels = ticks.len();
                let range = (ticks[0]..ticks[ticks.len() - 1]).log_scale().with_key_points(ticks);
                lines(&mut frame(&left, title, labels, range)?, &curves)?;
            }
        }
        legend(&right, &curves)
    })
}

/// A chart of accuracies against examples, with title, axes and grid. `x_labels` is the approximate number of labels at the x axis.
fn frame<'a, X>(
    area: &Area<'a>,
    title: &str,
    x_labels: usize,
    x: X,
) -> Drawn<Chart<'a, X::CoordDescType, RangedCoordf64>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(title, text(20))
        .x_label_area_size(50)
        .y_label_area_size(64)
        .build_cartesian_2d(x, 0.0..100.0)?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .axis_desc_style(text(16))
        .label_style(text(14))
        .x_labels(x_labels)
        .y_labels(6)
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .x_desc("examples")
        .y_desc("accuracy (%)")
        .draw()?;
    Ok(chart)
}

fn lines<X, Y>(chart: &mut Chart<'_, X, Y>, curves: &[Curve]) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    for (curve, color) in colored(curves) {
        let points = curve.points.iter().copied();
        if curve.dashed {
            chart.draw_series(DashedLineSeries::new(points, DASH, GAP, color.stroke_width(2)))?;
            continue;
        }
        chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
        if curve.points.len() <= MARKED {
            chart.draw_series(points.map(|point| Circle::new(point, 3, color.filled())))?;
        }
    }
    Ok(())
}

/// Draws a short line, the name and the last value of each curve.
fn legend(area: &Area<'_>, curves: &[Curve]) -> Drawn {
    let style = text(14).pos(Pos::new(HPos::Left, VPos::Center));
    for ((curve, color), entry) in colored(curves).zip(0..) {
        let y = LEGEND_TOP + entry * LEGEND_STEP;
        let dashes: &[(i32, i32)] = if curve.dashed { &[(4, 12), (20, 28)] } else { &[(4, 28)] };
        for &(from, to) in dashes {
            area.draw(&PathElement::new([(from, y), (to, y)], color.stroke_width(3)))?;
        }
        let value = curve
            .points
            .last()
            .map_or(String::new(), |(_, y)| format!(": {y:.2} %"));
        area.draw(&Text::new(format!("{}{value}", curve.name), (36, y), &style))?;
    }
    Ok(())
}

/// Ticks at 1, 2 and 5 times each power of ten, or only at powers if there are too many. They enclose the first and the
/// last value.
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

/// All curves with their colors.
fn colored(curves: &[Curve]) -> impl Iterator<Item = (&Curve, RGBColor)> {
    let mut next = 0;
    curves.iter().map(move |curve| {
        next += usize::from(!curve.dashed || next == 0);
        (curve, COLORS[(next - 1) % COLORS.len()])
    })
}

/// `0`, `950`, `1.5k`, `200k`, `3M`.
fn short(number: f64) -> String {
    let (scaled, unit) = match number.abs() {
        size if size >= 1e9 => (number / 1e9, "G"),
        size if size >= 1e6 => (number / 1e6, "M"),
        size if size >= 1e3 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    // Three digits distinguish all ticks.
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
            dashed: false,
        };
        vec![
            within("within 5 %", 1.0),
            within("within 2 %", 2.5),
            within("within 1 %", 4.0),
            within("within 0.5 %", 5.5),
        ]
    }

    fn drawn(curves: &[Curve]) -> String {
        drawn_on(Axis::Linear, curves)
    }

    fn drawn_on(axis: Axis, curves: &[Curve]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        accuracy_curves(&path, "eigenvalues 3x3", curves, axis).unwrap();
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
    fn a_dashed_curve_has_the_color_of_the_previous_one() {
        let mut curves = curves();
        let lines = |svg: &str| {
            COLORS.map(|RGBColor(red, green, blue)| {
                svg.matches(&format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\""))
                    .count()
            })
        };
        let before = lines(&drawn(&curves));
        let dashed = Curve {
            name: "training set".into(),
            dashed: true,
            ..curves[0].clone()
        };
        curves.insert(2, dashed);
        let svg = drawn(&curves);
        assert!(svg.contains("training set: 99.33 %"));
        let mut after = lines(&svg);
        assert!(after[1] > before[1] + 10, "many dashes");
        after[1] = before[1];
        assert_eq!(after, before, "the others keep their colors");
    }

    #[test]
    fn a_run_without_evaluations_has_an_empty_chart() {
        for axis in [Axis::Linear, Axis::Logarithmic] {
            assert!(drawn_on(axis, &[]).contains("accuracy (%)"));
            assert!(drawn_on(axis, &[curve("within 5 %", &[])]).contains(">\nwithin 5 %\n<"));
        }
    }

    fn curve(name: &str, points: &[(f64, f64)]) -> Curve {
        Curve {
            name: name.into(),
            points: points.to_vec(),
            dashed: false,
        }
    }

    #[test]
    fn invalid_points_are_omitted_and_names_are_escaped() {
        let points = [(0.0, 1.0), (f64::INFINITY, 2.0), (5.0, f64::NAN), (10.0, 3.0)];
        for (axis, marks) in [(Axis::Linear, 2), (Axis::Logarithmic, 1)] {
            let svg = drawn_on(axis, &[curve("<&>", &points)]);
            assert!(svg.contains("&lt;&amp;&gt;: 3.00 %") && !svg.contains("NaN") && !svg.contains("inf"));
            assert_eq!(svg.matches("<circle").count(), marks);
        }
    }

    #[test]
    fn equal_factors_are_equal_distances_on_a_logarithmic_axis() {
        let points = [(100.0, 0.0), (1_000.0, 50.0), (10_000.0, 99.5)];
        let svg = drawn_on(Axis::Logarithmic, &[curve("a", &points)]);
        let marks = svg.split("<circle cx=\"").skip(1);
        let found: Vec<f64> = marks
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        assert!(
            ((found[1] - found[0]) - (found[2] - found[1])).abs() <= 1.0,
            "{found:?}"
        );
        assert!(svg.contains("1k"));
    }

    #[test]
    fn ticks_hold_all_values_and_are_few() {
        assert_eq!(ticks(1_280.0, 38_400.0), [1e3, 2e3, 5e3, 1e4, 2e4, 5e4]);
        assert_eq!(ticks(64.0, 64.0), [50.0, 100.0]);
        assert_eq!(ticks(100.0, 1e7), [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let missing = Path::new("missing/curves.svg");
        let text = format!("{:#}", accuracy_curves(missing, "", &[], Axis::Linear).unwrap_err());
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
