//! Elements of all pictures: file, colors, text, and the frame of a chart.

use crate::file;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use std::path::Path;

const FONT: &str = "Helvetica, Arial, sans-serif";
pub(super) const INK: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(225, 225, 225);
/// The colors of Okabe and Ito, which color-blind people can distinguish. Yellow is omitted, because it is faint on
/// white.
pub(super) const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

pub(super) type Svg<'a> = SVGBackend<'a>;
pub(super) type Area<'a> = DrawingArea<Svg<'a>, Shift>;
pub(super) type Chart<'a, X, Y> = ChartContext<'a, Svg<'a>, Cartesian2d<X, Y>>;
pub(super) type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<<Svg<'static> as DrawingBackend>::ErrorType>>;

/// Draws on a white area of `size` (width and height in pixels). The file is replaced atomically.
pub(super) fn picture(path: &Path, size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<()> {
    let mut svg = String::new();
    on_white(&mut svg, size, draw).map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
    file::replace(path, svg.as_bytes())
}

fn on_white(svg: &mut String, size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Drawn {
    let area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&WHITE)?;
    draw(&area)?;
    area.present()
}

/// A text style with a size in pixels.
pub(super) fn text(size: i32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK)
}

/// Margins and text sizes of a chart, in pixels.
pub(super) struct Measures {
    margin: u32,
    title: i32,
    /// The descriptions of axes.
    description: i32,
    /// The numbers at axes.
    label: i32,
    /// Height of the labels below, and width of the labels on the left.
    label_areas: (u32, u32),
}

/// A chart that is a whole picture.
pub(super) const LARGE: Measures = Measures {
    margin: 14,
    title: 20,
    description: 16,
    label: 14,
    label_areas: (50, 64),
};

/// A chart in a grid.
pub(super) const SMALL: Measures = Measures {
    margin: 10,
    title: 15,
    description: 12,
    label: 12,
    label_areas: (24, 48),
};

/// Title, grid and labels of a chart.
pub(super) struct Frame<'a> {
    pub measures: Measures,
    pub title: &'a str,
    /// Descriptions of x and y; empty if the title suffices.
    pub axes: (&'a str, &'a str),
    /// Approximate number of labels at the x axis.
    pub x_labels: usize,
    pub x_label: &'a dyn Fn(&f64) -> String,
    pub y_label: &'a dyn Fn(&f64) -> String,
}

impl Frame<'_> {
    /// Draws the frame and returns the chart inside it.
    pub fn draw<'a, X, Y>(&self, area: &Area<'a>, x: X, y: Y) -> Drawn<Chart<'a, X::CoordDescType, Y::CoordDescType>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let measures = &self.measures;
        let mut chart = ChartBuilder::on(area)
            .margin(measures.margin)
            .caption(self.title, text(measures.title))
            .x_label_area_size(measures.label_areas.0)
            .y_label_area_size(measures.label_areas.1)
            .build_cartesian_2d(x, y)?;
        let mut mesh = chart.configure_mesh();
        mesh.max_light_lines(1)
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .axis_style(INK)
            .axis_desc_style(text(measures.description))
            .label_style(text(measures.label))
            .x_labels(self.x_labels)
            .y_labels(6)
            .x_label_formatter(self.x_label)
            .y_label_formatter(self.y_label);
        let (x_axis, y_axis) = self.axes;
        if !x_axis.is_empty() {
            mesh.x_desc(x_axis);
        }
        if !y_axis.is_empty() {
            mesh.y_desc(y_axis);
        }
        mesh.draw()?;
        drop(mesh);
        Ok(chart)
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
    // Three digits distinguish all ticks.
    format!("{}{unit}", (scaled * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
