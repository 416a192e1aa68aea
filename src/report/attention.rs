//! Attention maps as SVG: for each layer and head, the attention of each target to all sources.

use super::picture::{Area, Drawn, INK, picture, text};
use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// The map of one head.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionPanel {
    pub title: String,
    pub targets: Vec<String>,
    pub sources: Vec<String>,
    /// Attention weights `[target][source]`.
    pub weights: Vec<Vec<f64>>,
}

/// Width of a cell, and space for names, in pixels.
const CELL: i32 = 16;
const NAMES: i32 = 62;
const MARGIN: i32 = 14;
/// Height of the title.
const HEADER: i32 = 40;
/// Cells of sequences up to this length are named.
const NAMED: usize = 64;
/// Panels in a row.
const COLUMNS: usize = 4;
const FULL: RGBColor = RGBColor(0, 114, 178);

/// Draws the maps side by side; darker cells have more attention. The file is replaced atomically.
pub fn draw_attention(path: &Path, title: &str, panels: &[AttentionPanel]) -> Result<()> {
    let most = |of: fn(&AttentionPanel) -> usize| panels.iter().map(of).max().unwrap_or(1) as i32;
    let width = NAMES + CELL * most(|panel| panel.sources.len()) + 2 * MARGIN;
    let height = NAMES + CELL * most(|panel| panel.targets.len()) + 3 * MARGIN;
    let rows = panels.len().div_ceil(COLUMNS) as i32;
    let size = (width * COLUMNS as i32, HEADER + height * rows);
    picture(path, (size.0 as u32, size.1 as u32), |area| {
        area.draw(&Text::new(title.to_string(), (MARGIN, 12), text(18)))?;
        for (place, panel) in panels.iter().enumerate() {
            let (column, row) = ((place % COLUMNS) as i32, (place / COLUMNS) as i32);
            draw(area, (column * width, HEADER + row * height), panel)?;
        }
        Ok(())
    })
}

fn draw(area: &Area<'_>, corner: (i32, i32), panel: &AttentionPanel) -> Drawn {
    let beside = |size: i32, horizontal: HPos| text(size).pos(Pos::new(horizontal, VPos::Center));
    let (left, top) = (corner.0 + MARGIN + NAMES, corner.1 + MARGIN + NAMES);
    let title = Text::new(panel.title.clone(), (left, corner.1 + MARGIN), beside(13, HPos::Left));
    area.draw(&title)?;
    let middle = |i: i32| CELL * i + CELL / 2;
    if panel.sources.len().max(panel.targets.len()) <= NAMED {
        for (i, name) in (0..).zip(&panel.targets) {
            area.draw(&Text::new(
                name.clone(),
                (left - 4, top + middle(i)),
                beside(10, HPos::Right),
            ))?;
        }
        for (j, name) in (0..).zip(&panel.sources) {
            let turned = text(10).transform(FontTransform::Rotate270);
            area.draw(&Text::new(name.clone(), (left + middle(j) - 5, top - 4), turned))?;
        }
    }
    for (i, weights) in (0..).zip(&panel.weights) {
        for (j, &weight) in (0..).zip(weights) {
            let (x, y) = (left + CELL * j, top + CELL * i);
            let color = FULL.mix(weight.clamp(0.0, 1.0));
            area.draw(&Rectangle::new([(x, y), (x + CELL - 1, y + CELL - 1)], color.filled()))?;
        }
    }
    let (right, bottom) = (
        left + CELL * panel.sources.len() as i32,
        top + CELL * panel.targets.len() as i32,
    );
    area.draw(&Rectangle::new([(left, top), (right, bottom)], INK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_color_of_every_cell_shows_its_weight() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.svg");
        let panel = |title: &str| AttentionPanel {
            title: title.into(),
            targets: vec!["answer".into()],
            sources: vec!["2.5".into(), "-1".into()],
            weights: vec![vec![0.25, 0.75]],
        };
        draw_attention(&path, "2x2", &[panel("encoder 1, head 1"), panel("encoder 1, head 2")]).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        for text in ["2x2", "encoder 1, head 1", "encoder 1, head 2", "answer", "2.5", "-1"] {
            assert!(svg.contains(text), "{text} is missing");
        }
        assert_eq!(svg.matches("opacity=\"0.25\" fill=\"#0072B2\"").count(), 2);
        assert_eq!(svg.matches("opacity=\"0.75\" fill=\"#0072B2\"").count(), 2);
    }
}
