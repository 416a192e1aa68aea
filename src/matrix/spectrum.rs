//! Distributions of the eigenvalues of symmetric matrices.

use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::{fmt, str::FromStr};

use rand::RngExt;
use rand_distr::{Exp1, StandardNormal};

use super::{
    Entries, Generator, Matrix, decomposition,
    name::{UnknownName, named_by_text},
};

/// The distribution of the eigenvalues of a symmetric n×n matrix (arXiv 2112.01898, section 5). Its scale is σ = √n
/// A/√3, where A is the magnitude of the coefficients.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, strum::EnumCount, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Spectrum {
    /// A matrix of independent coefficients (Wigner matrix), unchanged.
    Semicircle,
    /// Uniform on [-σ√3, σ√3].
    Uniform,
    /// Normal with standard deviation σ.
    Gaussian,
    /// Laplace with standard deviation σ.
    Laplace,
    /// Absolute values of a Wigner matrix's eigenvalues.
    AbsSemicircle,
    /// Absolute values of Laplace draws.
    AbsLaplace,
    /// MᵀM, where M is n×n with independent coefficients of magnitude √A (a Wishart matrix of ratio 1).
    MarchenkoPastur,
}

impl Spectrum {
    /// Fills a square matrix with a symmetric one.
    pub fn fill(self, entries: &Entries, generator: &mut Generator, matrix: &mut Matrix) {
        if self == Spectrum::MarchenkoPastur {
            let root = Entries {
                magnitude: entries.magnitude.sqrt(),
                ..*entries
            };
            decomposition::fill_gram(matrix, |values| root.fill(generator, values));
            mirror(matrix);
            return;
        }
        loop {
            fill_wigner(entries, generator, matrix);
            if self == Spectrum::Semicircle || self.replace_eigenvalues(entries.magnitude, generator, matrix) {
                return;
            }
        }
    }

    /// Draws new eigenvalues for a Wigner matrix and keeps its eigenvectors. Returns false if its decomposition fails.
    fn replace_eigenvalues(self, magnitude: f64, generator: &mut Generator, matrix: &mut Matrix) -> bool {
        let sigma = (matrix.nrows() as f64 / 3.0).sqrt() * magnitude;
        let drawn = decomposition::replace_eigenvalues(matrix, |value| self.eigenvalue(value, sigma, generator));
        mirror(matrix);
        drawn.is_ok()
    }

    /// One draw of this distribution, which replaces the eigenvalue `wigner`.
    fn eigenvalue(self, wigner: f64, sigma: f64, generator: &mut Generator) -> f64 {
        match self {
            Spectrum::Uniform => sigma * 3f64.sqrt() * (2.0 * generator.random::<f64>() - 1.0),
            Spectrum::Gaussian => sigma * generator.sample::<f64, _>(StandardNormal),
            Spectrum::Laplace => {
                let magnitude = Spectrum::AbsLaplace.eigenvalue(wigner, sigma, generator);
                if generator.random() { magnitude } else { -magnitude }
            }
            Spectrum::AbsLaplace => sigma / 2f64.sqrt() * generator.sample::<f64, _>(Exp1),
            Spectrum::AbsSemicircle => wigner.abs(),
            Spectrum::Semicircle | Spectrum::MarchenkoPastur => wigner,
        }
    }
}

/// Draws independent coefficients on and below the diagonal, and mirrors them above it.
fn fill_wigner(entries: &Entries, generator: &mut Generator, matrix: &mut Matrix) {
    let n = matrix.nrows();
    for (j, column) in matrix.as_mut_slice().chunks_exact_mut(n).enumerate() {
        entries.fill(generator, &mut column[j..]);
    }
    mirror(matrix);
}

/// Copies the lower triangle onto the upper one.
pub(crate) fn mirror(matrix: &mut Matrix) {
    matrix.fill_upper_triangle_with_lower_triangle();
}

named_by_text!(Spectrum, "spectrum");

/// A mixture of one or more spectra, written `laplace+gaussian`. Each example draws one of them; all are equally
/// likely.
#[derive(Clone, Debug, PartialEq, Eq, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct Spectra(Vec<Spectrum>);

impl Spectra {
    pub fn members(&self) -> &[Spectrum] {
        &self.0
    }

    /// Whether this is the semicircle alone, the default.
    pub fn is_semicircle(&self) -> bool {
        self.0 == [Spectrum::Semicircle]
    }

    /// The spectrum of the next example.
    pub fn draw(&self, generator: &mut Generator) -> Spectrum {
        match self.0.as_slice() {
            [only] => *only,
            several => several[generator.random_range(0..several.len())],
        }
    }
}

impl Default for Spectra {
    fn default() -> Self {
        Spectrum::Semicircle.into()
    }
}

impl From<Spectrum> for Spectra {
    fn from(spectrum: Spectrum) -> Self {
        Self(vec![spectrum])
    }
}

impl fmt::Display for Spectra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, spectrum) in self.0.iter().enumerate() {
            write!(f, "{}{spectrum}", if i == 0 { "" } else { "+" })?;
        }
        Ok(())
    }
}

/// A repeated name counts each time: `laplace+laplace+gaussian` is two thirds Laplace.
impl FromStr for Spectra {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split('+')
            .map(|name| name.trim().parse())
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Coefficients, address::test_generator};

    fn draw(spectra: &Spectra, n: usize, index: u64) -> Matrix {
        let mut generator = test_generator(5, index);
        let entries = Entries {
            coefficients: Coefficients::Uniform,
            magnitude: 10.0,
            positive: 0.0,
            small: 0.0,
            power: 1.0,
        };
        let mut matrix = Matrix::zeros(n, n);
        spectra.draw(&mut generator).fill(&entries, &mut generator, &mut matrix);
        matrix
    }

    fn eigenvalues(spectra: &Spectra, count: u64) -> Vec<f64> {
        (0..count)
            .flat_map(|index| draw(spectra, 5, index).symmetric_eigenvalues().as_slice().to_vec())
            .collect()
    }

    /// Mean, standard deviation, and the magnitude that one value in a thousand exceeds.
    fn moments(mut values: Vec<f64>) -> (f64, f64, f64) {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        values.iter_mut().for_each(|x| *x = x.abs());
        values.sort_by(f64::total_cmp);
        (mean, deviation, values[(count * 0.999) as usize])
    }

    #[test]
    fn spectra_of_5x5_matrices_have_their_moments() {
        let table = [
            (Spectrum::Semicircle, 0.0, 12.9, 29.0),
            (Spectrum::AbsSemicircle, 11.1, 6.7, 29.0),
            (Spectrum::Uniform, 0.0, 12.9, 22.4),
            (Spectrum::Gaussian, 0.0, 12.9, 42.0),
            (Spectrum::Laplace, 0.0, 12.9, 63.0),
            (Spectrum::AbsLaplace, 9.1, 9.1, 63.0),
            (Spectrum::MarchenkoPastur, 16.7, 16.4, 74.0),
        ];
        for (spectrum, mean, deviation, extreme) in table {
            let measured = moments(eigenvalues(&spectrum.into(), 8_000));
            assert!((measured.0 - mean).abs() < 0.35, "{spectrum}: mean {}", measured.0);
            assert!(
                (measured.1 - deviation).abs() < 0.35,
                "{spectrum}: deviation {}",
                measured.1
            );
            assert!(
                (measured.2 / extreme - 1.0).abs() < 0.12,
                "{spectrum}: extreme {}",
                measured.2
            );
        }
    }

    #[test]
    fn positive_spectra_are_positive_and_the_others_have_both_signs() {
        for spectrum in Spectrum::ALL {
            let values = eigenvalues(&spectrum.into(), 1_000);
            let negative = values.iter().filter(|x| **x < -1e-9).count();
            match spectrum {
                Spectrum::AbsSemicircle | Spectrum::AbsLaplace | Spectrum::MarchenkoPastur => assert_eq!(negative, 0),
                _ => assert!((2_300..2_700).contains(&negative), "{spectrum}: {negative} of 5000"),
            }
        }
    }

    #[test]
    fn every_spectrum_gives_exactly_symmetric_matrices_at_every_size() {
        for spectrum in Spectrum::ALL {
            for n in 1..=12 {
                let matrix = draw(&spectrum.into(), n, 1);
                assert_eq!(matrix, matrix.transpose(), "{spectrum}");
                assert!(matrix.iter().all(|x| x.is_finite() && *x != 0.0), "{spectrum}");
            }
        }
    }

    #[test]
    fn a_mixture_draws_its_members_equally_often() {
        let spectra: Spectra = "uniform+laplace".parse().unwrap();
        let mut generator = test_generator(5, 0);
        let uniform = (0..10_000)
            .filter(|_| spectra.draw(&mut generator) == Spectrum::Uniform)
            .count();
        assert!((4_800..5_200).contains(&uniform), "{uniform}");
    }

    #[test]
    fn spectra_parse_as_they_print() {
        for text in ["semicircle", "laplace+gaussian", "marchenko-pastur+abs-laplace+uniform"] {
            assert_eq!(text.parse::<Spectra>().unwrap().to_string(), text);
        }
        assert!("".parse::<Spectra>().is_err());
        let error = "laplace+gausian".parse::<Spectra>().unwrap_err();
        assert!(error.to_string().contains("did you mean `gaussian`?"), "{error}");
    }
}
