//! Random matrices. Each draw has an address (seed, split, index) and is a pure function of it.
//!
//! Coefficients and spectra follow Charton, *Linear algebra with transformers* (arXiv 2112.01898), section 2.

mod address;
pub(crate) mod basis;
pub(crate) mod decomposition;
mod distribution;
mod entries;
mod family;
mod jacobi;
mod name;
mod noise;
mod oversampling;
mod spectrum;
pub mod text;

use std::fmt;

pub(crate) use address::mix;
pub use address::{Address, Split, fingerprint};
pub use distribution::{Distribution, InvalidDistribution};
pub use entries::{Coefficients, Entries};
pub use family::Family;
pub use name::UnknownName;
pub(crate) use name::find;
pub use noise::{InvalidNoise, Noise};
pub use oversampling::Oversampling;
pub(crate) use spectrum::mirror;
pub use spectrum::{Spectra, Spectrum};

/// The random generator of all draws. The algorithm is fixed, so that a data set stays the same when a library is
/// updated.
pub type Generator = rand_pcg::Pcg64Dxsm;

/// A real matrix of any shape. nalgebra's storage is column-major; tokens, CSV files and positions are row-major.
pub type Matrix = nalgebra::DMatrix<f64>;

/// The coefficients in row-major order.
pub fn row_major(matrix: &Matrix) -> impl ExactSizeIterator<Item = f64> + '_ {
    let (columns, rows) = (matrix.as_slice(), matrix.nrows());
    let mut place = 0;
    columns.iter().map(move |_| {
        let value = columns[place];
        place += rows;
        if place >= columns.len() {
            // Continue in the next row.
            place -= columns.len() - 1;
        }
        value
    })
}

/// Rows and columns of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    pub rows: usize,
    pub cols: usize,
}

impl Shape {
    pub const fn new(rows: usize, cols: usize) -> Self {
        Self { rows, cols }
    }

    pub fn of(matrix: &Matrix) -> Self {
        Self::new(matrix.nrows(), matrix.ncols())
    }

    /// Number of coefficients.
    pub const fn count(self) -> usize {
        self.rows * self.cols
    }

    pub const fn is_square(self) -> bool {
        self.rows == self.cols
    }
}

/// `3x4`
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.cols)
    }
}
