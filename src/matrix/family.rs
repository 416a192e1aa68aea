//! Structured matrices. They occur in applications, but independent coefficients never form them.

use super::{Coefficients, Generator, Matrix, mirror, name::named_by_text};
use nalgebra::DVector;
use rand::{RngExt, seq::SliceRandom};
use rand_distr::StandardNormal;

/// A family of structured matrices. A rectangular matrix is the upper left block of a square one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, strum::EnumCount, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Family {
    /// Coefficients of one thousandth of the magnitude.
    Tiny,
    /// Coefficients of ten thousand times the magnitude.
    Huge,
    /// Whole numbers.
    Integer,
    /// Nonnegative coefficients.
    Positive,
    /// Rows whose scales differ by up to four powers of ten.
    MixedRows,
    /// A multiple of the identity.
    Identity,
    /// The identity plus small random coefficients.
    NearIdentity,
    /// A multiple of the identity plus a constant in all coefficients.
    Exchangeable,
    /// A permutation of the identity's rows; symmetric ones swap pairs.
    Permutation,
    Diagonal,
    /// The main diagonal and its neighbors.
    Tridiagonal,
    /// Any number of diagonals.
    Banded,
    /// Upper or lower triangular; symmetric ones are diagonal.
    Triangular,
    /// The diagonal, the last row and the last column.
    Arrow,
    /// Two blocks on the diagonal.
    Block,
    /// Mostly zeros.
    Sparse,
    /// Constant diagonals.
    Toeplitz,
    /// Constant antidiagonals.
    Hankel,
    /// Each row is the row above, shifted by one column; in symmetric ones, `row[k] = row[n - k]`.
    Circulant,
    /// `1 / (i + j + 1)`, with indices from 0.
    Hilbert,
    /// Powers of numbers between -1 and 1; symmetric ones are the Gram matrices of the rows.
    Vandermonde,
    /// The companion matrix of a polynomial.
    Companion,
    /// Sample covariances of normal variables.
    Covariance,
    /// Sample correlations of normal variables.
    Correlation,
    /// Values of a Gaussian kernel between points on a line.
    Kernel,
    /// Adjacency matrices of random graphs.
    Adjacency,
    /// Degree matrix minus adjacency matrix of a random graph.
    Laplacian,
    /// Positive rows of sum 1.
    Stochastic,
    Orthogonal,
    /// Rank one.
    RankOne,
    /// Rank two.
    RankTwo,
    /// Singular values (or eigenvalues, if symmetric) that take at most two values.
    Clustered,
    /// Singular values (or eigenvalues, if symmetric) over up to eight powers of ten.
    Graded,
}

named_by_text!(Family, "family of matrices");

/// The range of scales for families that do not define their own.
const SCALE: std::ops::Range<f64> = 0.1..10.0;

impl Family {
    /// Draws a family. All families are equally likely.
    pub fn draw(generator: &mut Generator) -> Self {
        Self::ALL[generator.random_range(0..Self::ALL.len())]
    }

    /// Fills a matrix.
    pub(super) fn fill(
        self,
        coefficients: Coefficients,
        magnitude: f64,
        generator: &mut Generator,
        matrix: &mut Matrix,
    ) {
        let side = matrix.nrows().max(matrix.ncols());
        let square = Draw::new(side, false, coefficients, magnitude, generator).family(self);
        matrix.copy_from(&square.view((0, 0), matrix.shape()));
    }

    /// Fills a square matrix with a symmetric one.
    pub(super) fn fill_symmetric(
        self,
        coefficients: Coefficients,
        magnitude: f64,
        generator: &mut Generator,
        matrix: &mut Matrix,
    ) {
        let side = matrix.nrows();
        matrix.copy_from(&Draw::new(side, true, coefficients, magnitude, generator).family(self));
        mirror(matrix);
    }
}

/// The parameters of one draw. The lower triangle of a symmetric matrix is later copied onto the upper one.
struct Draw<'a> {
    side: usize,
    symmetric: bool,
    coefficients: Coefficients,
    magnitude: f64,
    generator: &'a mut Generator,
}

impl<'a> Draw<'a> {
    fn new(
        side: usize,
        symmetric: bool,
        coefficients: Coefficients,
        magnitude: f64,
        generator: &'a mut Generator,
    ) -> Self {
        Self {
            side,
            symmetric,
            coefficients,
            magnitude,
            generator,
        }
    }

    fn family(&mut self, family: Family) -> Matrix {
        let n = self.side;
        let identity = Matrix::identity(n, n);
        match family {
            Family::Tiny => self.entries(n, n) * 1e-3,
            Family::Huge => self.entries(n, n) * 1e4,
            Family::Integer => self.entries(n, n).map(f64::round),
            Family::Positive => self.entries(n, n).abs(),
            Family::MixedRows => {
                let scales = DVector::from_fn(n, |_, _| 10f64.powf(self.generator.random_range(-2.0..2.0)));
                Matrix::from_diagonal(&scales) * self.entries(n, n)
            }
            Family::Identity => identity * self.scale(),
            Family::NearIdentity => {
                let distance = 10f64.powf(self.generator.random_range(-3.0..0.0)) / self.magnitude;
                identity + self.entries(n, n) * distance
            }
            Family::Exchangeable => {
                let (diagonal, constant) = (self.scale(), self.scale());
                identity * diagonal + Matrix::repeat(n, n, constant)
            }
            Family::Permutation => self.permutation(),
            Family::Diagonal => Matrix::from_diagonal(&self.entries(n, 1).column(0)),
            Family::Tridiagonal => self.band(1),
            Family::Banded => {
                let width = self.generator.random_range(0..n);
                self.band(width)
            }
            Family::Triangular => {
                let upper = self.entries(n, n).upper_triangle();
                if self.symmetric || self.generator.random() {
                    upper
                } else {
                    upper.transpose()
                }
            }
            Family::Arrow => self.keep(|i, j| i == j || i + 1 == n || j + 1 == n),
            Family::Block => {
                let first = self.generator.random_range(1..=n);
                self.keep(|i, j| (i < first) == (j < first))
            }
            Family::Sparse => {
                let share = self.generator.random_range(0.1..0.6);
                let kept = Matrix::from_fn(n, n, |_, _| f64::from(self.generator.random_bool(share)));
                self.entries(n, n).component_mul(&kept)
            }
            Family::Toeplitz => {
                let diagonals = self.entries(2 * n, 1);
                Matrix::from_fn(n, n, |i, j| diagonals[n + i - j])
            }
            Family::Hankel => {
                let antidiagonals = self.entries(2 * n, 1);
                Matrix::from_fn(n, n, |i, j| antidiagonals[i + j])
            }
            Family::Circulant => {
                let row = self.entries(n, 1);
                let even = |place: usize| if self.symmetric { place.min(n - place) } else { place };
                Matrix::from_fn(n, n, |i, j| row[even((n + j - i) % n)])
            }
            Family::Hilbert => Matrix::from_fn(n, n, |i, j| 1.0 / (i + j + 1) as f64),
            Family::Vandermonde => {
                let nodes = DVector::from_fn(n, |_, _| self.generator.random_range(-1.0..1.0f64));
                let powers = Matrix::from_fn(n, n, |i, j| nodes[i].powi(j as i32));
                if self.symmetric {
                    &powers * powers.transpose()
                } else {
                    powers
                }
            }
            Family::Companion => {
                let mut companion = self.entries(n, n);
                companion.view_mut((1, 0), (n - 1, n)).fill(0.0);
                companion.view_mut((1, 0), (n - 1, n - 1)).fill_with_identity();
                companion
            }
            Family::Covariance => self.covariance() * self.scale(),
            Family::Correlation => {
                let covariance = self.covariance();
                Matrix::from_fn(n, n, |i, j| {
                    covariance[(i, j)] / (covariance[(i, i)] * covariance[(j, j)]).sqrt()
                })
            }
            Family::Kernel => {
                let points = DVector::from_fn(n, |_, _| self.generator.random_range(-1.0..1.0f64));
                let width = self.scale() / 2.0;
                Matrix::from_fn(n, n, |i, j| (-((points[i] - points[j]) / width).powi(2)).exp())
            }
            Family::Adjacency => self.adjacency(),
            Family::Laplacian => {
                let adjacency = self.adjacency();
                Matrix::from_diagonal(&adjacency.column_sum()) - adjacency
            }
            Family::Stochastic => {
                let weights = Matrix::from_fn(n, n, |_, _| self.generator.random::<f64>());
                let sums = weights.column_sum();
                Matrix::from_fn(n, n, |i, j| weights[(i, j)] / sums[i])
            }
            Family::Orthogonal => {
                let signs = DVector::from_fn(n, |_, _| if self.generator.random() { 1.0 } else { -1.0 });
                self.with_values(&signs)
            }
            Family::RankOne => self.low_rank(1),
            Family::RankTwo => self.low_rank(2),
            Family::Clustered => {
                let few = self.entries(2, 1);
                let values = DVector::from_fn(n, |_, _| few[self.generator.random_range(0..2)]);
                self.with_values(&values)
            }
            Family::Graded => {
                let decades = self.generator.random_range(0.0..8.0);
                let step = decades / (n.max(2) - 1) as f64;
                let scale = self.scale();
                let signed = |generator: &mut Generator| if generator.random() { scale } else { -scale };
                let values = DVector::from_fn(n, |i, _| signed(self.generator) * 10f64.powf(-step * i as f64));
                self.with_values(&values)
            }
        }
    }

    fn entries(&mut self, rows: usize, cols: usize) -> Matrix {
        let mut entries = Matrix::zeros(rows, cols);
        self.coefficients
            .fill(self.magnitude, self.generator, entries.as_mut_slice());
        entries
    }

    fn normal(&mut self, rows: usize, cols: usize) -> Matrix {
        Matrix::from_fn(rows, cols, |_, _| self.generator.sample(StandardNormal))
    }

    fn scale(&mut self) -> f64 {
        self.generator.random_range(SCALE)
    }

    /// Independent coefficients at the kept positions, zeros elsewhere.
    fn keep(&mut self, kept: impl Fn(usize, usize) -> bool) -> Matrix {
        let entries = self.entries(self.side, self.side);
        entries.map_with_location(|i, j, entry| if kept(i, j) { entry } else { 0.0 })
    }

    fn band(&mut self, width: usize) -> Matrix {
        self.keep(|i, j| i.abs_diff(j) <= width)
    }

    fn permutation(&mut self) -> Matrix {
        let n = self.side;
        let mut places: Vec<usize> = (0..n).collect();
        places.shuffle(self.generator);
        if self.symmetric {
            // Each pair of consecutive places is swapped or kept.
            let mut partners: Vec<usize> = (0..n).collect();
            for pair in places.chunks_exact(2) {
                if self.generator.random() {
                    partners.swap(pair[0], pair[1]);
                }
            }
            places = partners;
        }
        Matrix::from_fn(n, n, |i, j| f64::from(places[i] == j))
    }

    /// The covariance of normal variables, from more samples than variables.
    fn covariance(&mut self) -> Matrix {
        let samples = self.generator.random_range(self.side + 1..=4 * self.side + 1);
        let samples = self.normal(self.side, samples);
        &samples * samples.transpose() / samples.ncols() as f64
    }

    fn adjacency(&mut self) -> Matrix {
        let share = self.generator.random_range(0.2..0.9);
        let mut adjacency = Matrix::from_fn(self.side, self.side, |i, j| {
            f64::from(i != j && self.generator.random_bool(share))
        });
        mirror(&mut adjacency);
        adjacency
    }

    fn low_rank(&mut self, rank: usize) -> Matrix {
        let left = self.entries(self.side, rank);
        let right = if self.symmetric {
            left.clone()
        } else {
            self.entries(self.side, rank)
        };
        left * right.transpose() / self.magnitude
    }

    /// A matrix with the given singular values (eigenvalues if it is symmetric) and random vectors.
    fn with_values(&mut self, values: &DVector<f64>) -> Matrix {
        let n = self.side;
        let left = self.normal(n, n).qr().q();
        let right = if self.symmetric {
            left.clone()
        } else {
            self.normal(n, n).qr().q()
        };
        left * Matrix::from_diagonal(values) * right.transpose()
    }
}

#[cfg(test)]
mod tests;
