//! Elements of all pictures: file, area and text.

use crate::file;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

const FONT: &str = "Helvetica, Arial, sans-serif";
pub(super) const INK: RGBColor = RGBColor(51, 51, 51);

type Svg<'a> = SVGBackend<'a>;
pub(super) type Area<'a> = DrawingArea<Svg<'a>, Shift>;
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
