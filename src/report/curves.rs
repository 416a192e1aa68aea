//! Line charts as SVG; no fonts of the system are read, so the same numbers give the same file everywhere.

use super::chart::{Area, COLORS, Chart, Drawn, Frame, LARGE, picture, short, text};
use anyhow::Result;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    pub name: String,
    /// Points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// Whether it belongs to the curve before: it is dashed, in the same color.
    pub dashed: bool,
}

impl Curve {
    /// Those of its points that are finite and that `keep` keeps.
    pub(super) fn only(&self, keep: impl Fn(f64, f64) -> bool) -> Self {
        let points = self.points.iter().copied();
        Self {
            points: points
                .filter(|(x, y)| x.is_finite() && y.is_finite() && keep(*x, *y))
                .collect(),
            ..self.clone()
        }
    }
}

/// Width and height in pixels.
const SIZE: (u32, u32) = (860, 480);
/// Where the legend begins, to the right of the chart.
const LEGEND: u32 = 660;
/// Top of the legend, and from one entry to the next.
pub(super) const LEGEND_TOP: i32 = 76;
pub(super) const LEGEND_STEP: i32 = 26;
/// Pixels of a dash and of the gap after it.
const DASH: u32 = 6;
const GAP: u32 = 4;
/// Points are marked one by one up to this number.
const MARKED: usize = 40;

/// Draws accuracies (0 to 100 %) against examples. The file is written whole or not at all.
pub fn accuracy_curves(path: &Path, title: &str, curves: &[Curve]) -> Result<()> {
    let curves: Vec<Curve> = curves.iter().map(|curve| curve.only(|_, _| true)).collect();
    picture(path, SIZE, |area| {
        let (left, right) = area.split_horizontally(LEGEND);
        chart(&left, title, &curves)?;
        legend(&right, &curves)
    })
}

fn chart(area: &Area<'_>, title: &str, curves: &[Curve]) -> Drawn {
    let points = curves.iter().flat_map(|curve| &curve.points);
    let last = points.map(|point| point.0).fold(0.0, f64::max);
    let last = if last > 0.0 { last } else { 1.0 };
    let mut chart = frame(title, 8).draw(area, 0.0..last, 0.0..100.0)?;
    for (curve, color) in colored(curves) {
        let marked = !curve.dashed && curve.points.len() <= MARKED;
        line(&mut chart, curve, color, marked)?;
    }
    Ok(())
}

/// The frame of accuracies against examples.
pub(super) fn frame(title: &str, x_labels: usize) -> Frame<'_> {
    Frame {
        measures: LARGE,
        title,
        axes: ("examples", "accuracy (%)"),
        x_labels,
        x_label: &|x| short(*x),
        y_label: &|y| format!("{y:.0}"),
    }
}

pub(super) fn line<'a, X, Y>(chart: &mut Chart<'a, X, Y>, curve: &Curve, color: RGBColor, marked: bool) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let points = curve.points.iter().copied();
    if curve.dashed {
        chart.draw_series(DashedLineSeries::new(points.clone(), DASH, GAP, color.stroke_width(2)))?;
    } else {
        chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
    }
    if marked {
        chart.draw_series(points.map(|point| Circle::new(point, 3, color.filled())))?;
    }
    Ok(())
}

/// A short line, the name and the last value of each curve.
pub(super) fn legend(area: &Area<'_>, curves: &[Curve]) -> Drawn {
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

/// Each curve with its color.
pub(super) fn colored(curves: &[Curve]) -> impl Iterator<Item = (&Curve, RGBColor)> {
    let mut next = 0;
    curves.iter().map(move |curve| {
        next += usize::from(!curve.dashed || next == 0);
        (curve, COLORS[(next - 1) % COLORS.len()])
    })
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
    fn a_dashed_curve_has_the_color_of_the_one_before() {
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
    fn the_same_numbers_give_the_same_file() {
        assert_eq!(drawn(&curves()), drawn(&curves()));
    }

    #[test]
    fn a_run_without_evaluations_has_an_empty_chart() {
        assert!(drawn(&[]).contains("accuracy (%)"));
        let empty = Curve {
            name: "within 5 %".into(),
            points: vec![],
            dashed: false,
        };
        assert!(drawn(&[empty]).contains(">\nwithin 5 %\n<"));
    }

    #[test]
    fn points_that_are_not_finite_are_left_out() {
        let curve = Curve {
            name: "a".into(),
            points: vec![(0.0, 1.0), (f64::INFINITY, 2.0), (5.0, f64::NAN), (10.0, 3.0)],
            dashed: false,
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
            dashed: false,
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
}
