//! Grids of small charts as SVG, each with a quantity on a logarithmic scale.

use super::chart::{Area, COLORS, Drawn, Frame, INK, SMALL, picture, short, text};
use anyhow::Result;
use plotters::prelude::*;
use std::path::Path;

/// One chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub title: String,
    /// The values on the x axis, at equal distances.
    pub values: Vec<i64>,
    pub lines: Vec<PanelLine>,
}

/// A line of a chart: for each x value, the quantity and the index of its mark.
#[derive(Clone, Debug, PartialEq)]
pub struct PanelLine {
    pub name: String,
    pub points: Vec<(f64, usize)>,
}

/// Width and height of a chart, and height of the common legend, in pixels.
const SIZE: (u32, u32) = (340, 250);
const LEGEND: u32 = 44;
const COLUMNS: usize = 4;

/// Draws charts with a legend of their marks. The file is replaced atomically.
pub fn draw_panels(path: &Path, title: &str, panels: &[Panel], marks: &[&str]) -> Result<()> {
    let rows = panels.len().div_ceil(COLUMNS);
    let size = (SIZE.0 * COLUMNS as u32, LEGEND + SIZE.1 * rows as u32);
    picture(path, size, |area| {
        let (top, rest) = area.split_vertically(LEGEND);
        legend(&top, title, panels, marks)?;
        for (cell, panel) in rest.split_evenly((rows, COLUMNS)).iter().zip(panels) {
            chart(cell, panel)?;
        }
        Ok(())
    })
}

/// Draws the title, the style of each line, and the color of each mark.
fn legend(area: &Area<'_>, title: &str, panels: &[Panel], marks: &[&str]) -> Drawn {
    let style = text(15);
    area.draw(&Text::new(title.to_string(), (16, 16), &style))?;
    let mut x = 220;
    for (line, width) in panels.first().into_iter().flat_map(|panel| &panel.lines).zip(1..) {
        area.draw(&PathElement::new([(x, 24), (x + 30, 24)], INK.stroke_width(width)))?;
        area.draw(&Text::new(line.name.clone(), (x + 38, 16), &style))?;
        x += 130;
    }
    for (mark, color) in marks.iter().zip(COLORS.iter().cycle()) {
        area.draw(&Circle::new((x, 24), 5, color.filled()))?;
        area.draw(&Text::new(mark.to_string(), (x + 10, 16), &style))?;
        x += 130;
    }
    Ok(())
}

fn chart(area: &Area<'_>, panel: &Panel) -> Drawn {
    let all = || panel.lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let finite = || all().filter(|y| y.is_finite() && *y > 0.0);
    let (low, high) = (finite().fold(1e300, f64::min), finite().fold(1e-300, f64::max));
    let (low, high) = if low <= high {
        (0.7 * low, 1.4 * high)
    } else {
        (1.0, 10.0)
    };
    let last = panel.values.len().saturating_sub(1) as f64;
    let value = |x: &f64| match panel.values.get(x.round() as usize) {
        Some(value) if (x - x.round()).abs() < 1e-6 => value.to_string(),
        _ => String::new(),
    };
    let frame = Frame {
        measures: SMALL,
        title: &panel.title,
        axes: ("", ""),
        x_labels: panel.values.len(),
        x_label: &value,
        y_label: &|y| short(*y),
    };
    let mut chart = frame.draw(area, -0.2..last + 0.2, (low..high).log_scale())?;
    for (line, width) in panel.lines.iter().zip(1..) {
        let points = || {
            let points = (0..).zip(&line.points).map(|(x, (y, mark))| (f64::from(x), *y, *mark));
            points.filter(|(_, y, _)| y.is_finite() && *y > 0.0)
        };
        let path = points().map(|(x, y, _)| (x, y));
        chart.draw_series(LineSeries::new(path, INK.stroke_width(width)))?;
        let circle = |(x, y, mark): (f64, f64, usize)| Circle::new((x, y), 4, COLORS[mark % COLORS.len()].filled());
        chart.draw_series(points().map(circle))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(f64, usize)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scale.svg");
        let panel = Panel {
            title: "train: batch".into(),
            values: vec![1, 4, 1024],
            lines: vec![PanelLine {
                name: "1 thread".into(),
                points: points.to_vec(),
            }],
        };
        draw_panels(&path, "examples per second", &[panel], &["latency", "compute"]).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_panel_has_its_title_its_values_and_a_mark_for_every_point() {
        let svg = drawn(&[(10.0, 0), (1_000.0, 0), (20_000.0, 1)]);
        for text in [
            "train: batch",
            "examples per second",
            "1024",
            "10k",
            "latency",
            "1 thread",
        ] {
            assert!(svg.contains(text), "{text} is missing");
        }
        let circles = |color: &RGBColor| {
            let fill = format!("fill=\"#{:02X}{:02X}{:02X}\"", color.0, color.1, color.2);
            svg.lines()
                .filter(|line| line.contains("<circle") && line.contains(&fill))
                .count()
        };
        // The legend has one more of each.
        assert_eq!((circles(&COLORS[0]), circles(&COLORS[1])), (3, 2));
    }

    #[test]
    fn points_without_logarithm_are_omitted() {
        let svg = drawn(&[(0.0, 0), (f64::NAN, 0), (f64::INFINITY, 1)]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<circle").count(), 2, "those of the legend");
    }
}
