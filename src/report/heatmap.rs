//! Heat maps as SVG: tables of fractions as colored cells with numbers.

use super::picture::{Area, Drawn, INK, picture, text};
use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// A table of fractions from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap<'a> {
    pub title: &'a str,
    /// Descriptions of rows and columns.
    pub axes: (&'a str, &'a str),
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    /// `[row][column]`.
    pub shares: Vec<Vec<f64>>,
}

/// Width and height of a cell in pixels.
const CELL: (i32, i32) = (104, 44);
/// Smallest coordinates of the first cell.
const CORNER: (i32, i32) = (190, 104);
const MARGIN: i32 = 16;
/// Approximate width of a letter in a row's name, in pixels.
const LETTER: i32 = 8;
/// The color of 100 %; 0 % is white.
const FULL: RGBColor = RGBColor(0, 114, 178);

/// Draws colored cells with percentages. The file is replaced atomically.
pub fn draw_heatmap(path: &Path, map: &Heatmap<'_>) -> Result<()> {
    let longest = map.rows.iter().map(|name| name.chars().count()).max().unwrap_or(0) as i32;
    let (left, top) = (CORNER.0.max(longest * LETTER + 3 * MARGIN), CORNER.1);
    let (right, bottom) = (
        left + CELL.0 * map.columns.len() as i32,
        top + CELL.1 * map.rows.len() as i32,
    );
    let size = ((right + MARGIN) as u32, (bottom + MARGIN) as u32);
    picture(path, size, |area| draw(area, map, (left, top)))
}

/// Draws the cells from a corner on, and the names above and to the left of them.
fn draw(area: &Area<'_>, map: &Heatmap<'_>, (left, top): (i32, i32)) -> Drawn {
    let text = |size: i32, ink: &'static RGBColor, anchor: HPos| {
        let pos = Pos::new(anchor, VPos::Center);
        text(size).color(ink).pos(pos)
    };
    area.draw(&Text::new(map.title, (MARGIN, 24), text(20, &INK, HPos::Left)))?;
    let (rows, columns) = map.axes;
    area.draw(&Text::new(rows, (MARGIN, top - 16), text(14, &INK, HPos::Left)))?;
    area.draw(&Text::new(columns, (left, top - 40), text(14, &INK, HPos::Left)))?;
    for (column, name) in (0..).zip(&map.columns) {
        let middle = (left + CELL.0 * column + CELL.0 / 2, top - 16);
        area.draw(&Text::new(name.as_str(), middle, text(12, &INK, HPos::Center)))?;
    }
    for ((row, name), shares) in (0..).zip(&map.rows).zip(&map.shares) {
        let y = top + CELL.1 * row;
        let middle = y + CELL.1 / 2;
        area.draw(&Text::new(name.as_str(), (MARGIN, middle), text(14, &INK, HPos::Left)))?;
        for (column, &share) in (0..).zip(shares) {
            let x = left + CELL.0 * column;
            let corners = [(x, y), (x + CELL.0 - 2, y + CELL.1 - 2)];
            area.draw(&Rectangle::new(corners, color(share).filled()))?;
            let ink = if share > 0.6 { &WHITE } else { &INK };
            let number = if share.is_finite() {
                format!("{:.1}", 100.0 * share)
            } else {
                "-".into()
            };
            area.draw(&Text::new(
                number,
                (x + CELL.0 / 2, middle),
                text(15, ink, HPos::Center),
            ))?;
        }
    }
    Ok(())
}

/// A color between white (0) and [`FULL`] (1).
fn color(share: f64) -> RGBColor {
    let mix = |full: u8| {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        (255.0 - share * (255.0 - f64::from(full))).round() as u8
    };
    RGBColor(mix(FULL.0), mix(FULL.1), mix(FULL.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_cell_has_its_number_and_color() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.svg");
        let map = Heatmap {
            title: "eigenvalues 5x5 within 5 %",
            axes: ("trained on", "tested on"),
            rows: vec!["laplace".into(), "a & b".into()],
            columns: vec!["semicircle".into(), "uniform".into(), "gaussian".into()],
            shares: vec![vec![1.0, 0.0, 0.345], vec![0.5, f64::NAN, 0.9]],
        };
        draw_heatmap(&path, &map).unwrap();
        let svg = fs::read_to_string(&path).unwrap();
        for text in [
            "eigenvalues 5x5 within 5 %",
            "trained on",
            "tested on",
            "laplace",
            "a &amp; b",
            "gaussian",
        ] {
            assert!(svg.contains(text), "{text} is missing");
        }
        for number in ["100.0", "0.0", "34.5", "50.0", "90.0", "-"] {
            assert!(svg.contains(&format!(">\n{number}\n<")), "{number} is missing");
        }
        assert_eq!(svg.matches("fill=\"#0072B2\"").count(), 1, "the cell of 100 %");
        assert_eq!(svg.matches("<rect").count(), 7, "six cells and the ground");
        assert!(!svg.contains("NaN"));
        draw_heatmap(&path, &map).unwrap();
        assert_eq!(svg, fs::read_to_string(&path).unwrap());
    }

    #[test]
    fn colors_go_from_white_to_blue() {
        assert_eq!(color(0.0), WHITE);
        assert_eq!(color(1.0), FULL);
        assert_eq!(color(0.5), RGBColor(128, 185, 217));
        assert_eq!(color(7.0), FULL);
    }
}
