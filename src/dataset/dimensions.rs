//! Sizes of examples: single sizes, or ranges.

use std::{fmt, str::FromStr};

use rand::RngExt;

use crate::matrix::{Generator, Shape};

/// A number of rows or columns, or an inclusive range of them: `5`, `5-15`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    min: usize,
    max: usize,
}

impl Extent {
    /// The largest dimension that has a token.
    pub const LARGEST: usize = 100;

    pub fn new(min: usize, max: usize) -> Result<Self, InvalidDimensions> {
        let extent = Self { min, max };
        if min < 1 || max > Self::LARGEST {
            Err(InvalidDimensions::OutOfBounds(extent.to_string()))
        } else if min > max {
            Err(InvalidDimensions::Reversed { min, max })
        } else {
            Ok(extent)
        }
    }

    pub fn fixed(size: usize) -> Result<Self, InvalidDimensions> {
        Self::new(size, size)
    }

    pub const fn min(self) -> usize {
        self.min
    }

    pub const fn max(self) -> usize {
        self.max
    }

    pub const fn is_fixed(self) -> bool {
        self.min == self.max
    }

    /// Draws a size uniformly. A single size consumes no random number.
    pub fn sample(self, generator: &mut Generator) -> usize {
        if self.is_fixed() {
            self.min
        } else {
            generator.random_range(self.min..=self.max)
        }
    }

    const fn contains(self, size: usize) -> bool {
        self.min <= size && size <= self.max
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_fixed() {
            write!(f, "{}", self.min)
        } else {
            write!(f, "{}-{}", self.min, self.max)
        }
    }
}

impl FromStr for Extent {
    type Err = InvalidDimensions;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            part.trim()
                .parse()
                .map_err(|_| InvalidDimensions::Malformed(text.to_owned()))
        };
        match text.split_once('-') {
            Some((min, max)) => Self::new(number(min)?, number(max)?),
            None => Self::fixed(number(text)?),
        }
    }
}

/// The shapes of the first operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimensions {
    /// n×n: `5`, `5-15`.
    Square(Extent),
    /// Rows and columns, drawn independently: `3x4`, `2-6x4`.
    Rectangular { rows: Extent, cols: Extent },
}

impl Dimensions {
    /// Rows and columns, drawn independently. The result is square if both are the same single number.
    pub fn rectangular(rows: Extent, cols: Extent) -> Self {
        if rows.is_fixed() && rows == cols {
            Self::Square(rows)
        } else {
            Self::Rectangular { rows, cols }
        }
    }

    /// Parses the values of options or keys: either `dim`, or both `rows` and `cols`.
    pub fn from_parts(dim: Option<&str>, rows: Option<&str>, cols: Option<&str>) -> Result<Self, InvalidDimensions> {
        match (dim, rows, cols) {
            (Some(dim), None, None) => dim.parse().map(Self::Square),
            (None, Some(rows), Some(cols)) => Ok(Self::rectangular(rows.parse()?, cols.parse()?)),
            _ => Err(InvalidDimensions::Parts),
        }
    }

    pub fn sample(self, generator: &mut Generator) -> Shape {
        match self {
            Dimensions::Square(extent) => {
                let n = extent.sample(generator);
                Shape::new(n, n)
            }
            Dimensions::Rectangular { rows, cols } => Shape::new(rows.sample(generator), cols.sample(generator)),
        }
    }

    /// A label for people: `3x3`, or the ranges `5-15`, `2-6x4`.
    pub fn label(self) -> String {
        if self.is_fixed() {
            self.max().to_string()
        } else {
            self.to_string()
        }
    }

    /// The largest number of rows and of columns.
    pub const fn max(self) -> Shape {
        let (rows, cols) = self.extents();
        Shape::new(rows.max, cols.max)
    }

    /// The smallest number of rows and of columns.
    pub const fn min(self) -> Shape {
        let (rows, cols) = self.extents();
        Shape::new(rows.min, cols.min)
    }

    /// Whether every example has the same size.
    pub const fn is_fixed(self) -> bool {
        let (rows, cols) = self.extents();
        rows.is_fixed() && cols.is_fixed()
    }

    /// Whether a size is within the ranges.
    pub const fn contains(self, size: Shape) -> bool {
        let (rows, cols) = self.extents();
        rows.contains(size.rows) && cols.contains(size.cols) && (size.is_square() || !self.is_square())
    }

    pub const fn is_square(self) -> bool {
        matches!(self, Dimensions::Square(_))
    }

    const fn extents(self) -> (Extent, Extent) {
        match self {
            Dimensions::Square(extent) => (extent, extent),
            Dimensions::Rectangular { rows, cols } => (rows, cols),
        }
    }
}

impl fmt::Display for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimensions::Square(extent) => write!(f, "{extent}"),
            Dimensions::Rectangular { rows, cols } => write!(f, "{rows}x{cols}"),
        }
    }
}

impl FromStr for Dimensions {
    type Err = InvalidDimensions;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('x') {
            Some((rows, cols)) => Ok(Self::rectangular(rows.parse()?, cols.parse()?)),
            None => text.parse().map(Self::Square),
        }
    }
}

/// An error in the sizes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDimensions {
    #[error("`{0}` is not a size: write a number such as 5, or a range such as 5-15")]
    Malformed(String),
    #[error("`{0}` is not a size: sizes are from 1 to {largest}", largest = Extent::LARGEST)]
    OutOfBounds(String),
    #[error("`{min}-{max}` is not a range of sizes: write the smaller first, as in {max}-{min}")]
    Reversed { min: usize, max: usize },
    #[error("a size is needed: either dim = 5 (or a range, 5-15), or both rows = 3 and cols = 4")]
    Parts,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::matrix::{Address, Split};

    fn samples(text: &str) -> HashSet<Shape> {
        let dimensions: Dimensions = text.parse().unwrap();
        let mut generator = Address {
            seed: 0,
            split: Split::Train,
            index: 0,
        }
        .generator(0);
        (0..1_000).map(|_| dimensions.sample(&mut generator)).collect()
    }

    #[test]
    fn dimensions_parse_as_they_print() {
        for text in ["5", "5-15", "3x4", "2-6x4", "1-100x1-100"] {
            assert_eq!(text.parse::<Dimensions>().unwrap().to_string(), text);
        }
        assert_eq!("3x3".parse::<Dimensions>().unwrap().to_string(), "3");
    }

    #[test]
    fn samples_cover_exactly_the_range() {
        assert_eq!(samples("5"), HashSet::from([Shape::new(5, 5)]));
        assert_eq!(samples("5-7"), (5..=7).map(|n| Shape::new(n, n)).collect());
        assert_eq!(samples("1-2x3-4").len(), 4);
        assert!(
            samples("1-2x3-4")
                .iter()
                .all(|size| "1-2x3-4".parse::<Dimensions>().unwrap().contains(*size))
        );
        assert!(!"5-7".parse::<Dimensions>().unwrap().contains(Shape::new(5, 6)));
    }

    #[test]
    fn errors_name_the_allowed_sizes() {
        let message = |text: &str| text.parse::<Dimensions>().unwrap_err().to_string();
        assert_eq!(
            message("five"),
            "`five` is not a size: write a number such as 5, or a range such as 5-15"
        );
        assert_eq!(message("0"), "`0` is not a size: sizes are from 1 to 100");
        assert_eq!(message("5-101"), "`5-101` is not a size: sizes are from 1 to 100");
        assert_eq!(
            message("9-5"),
            "`9-5` is not a range of sizes: write the smaller first, as in 5-9"
        );
        assert!(message("3x").contains("write a number"));
        assert!(message("-5").contains("write a number"));
    }
}
