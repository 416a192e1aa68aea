//! Oversampling: drawing rare matrices more often than the distribution does, so that a model learns them.

use super::{Family, Generator, InvalidDistribution, Matrix, decomposition, mirror};
use rand::RngExt;
use std::fmt;

/// Shares of the draws that are changed; 0 changes none.
///
/// The text form lists the shares that are not zero: `+bias:`, `+small:`, `+large:`, `+singular:` and `+structured:`,
/// each followed by its share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Oversampling {
    /// Share of the draws with biased signs. Such a draw takes a probability that is uniform on [0, 1]. With this
    /// probability, each coefficient is replaced by its absolute value.
    ///
    /// The sign of each term of a determinant is a parity of the coefficients' signs. If signs are unbiased, the
    /// gradient carries no information about a parity until all its signs are known. With biased signs it does, and the
    /// learned function also holds for unbiased signs (Abbe, Cornacchia & Lotfi 2023, arXiv 2306.16921).
    pub sign_bias: f64,
    /// Probability that a coefficient is divided by up to six powers of ten, uniformly distributed.
    ///
    /// Only one in a thousand uniform coefficients is below a thousandth of the magnitude, too few for a model to learn
    /// to copy them.
    pub small: f64,
    /// Share of the draws with larger coefficients. Such a draw takes a power that is uniform on [0, 1]. The ratio of
    /// each coefficient to the magnitude is raised to this power.
    ///
    /// Large results need coefficients that are large together. In products of uniform 5x5 matrices, one coefficient in
    /// a thousand exceeds half of its bound, too few for a model to learn such values.
    pub large: f64,
    /// Share of the draws whose smallest singular value is divided by up to two powers of ten, uniformly distributed.
    ///
    /// A small singular value makes the inverse large, and its errors grow with the condition number. The condition
    /// number exceeds 70 for one uniform 5x5 matrix in ten, and 700 for one in a hundred.
    pub singular: f64,
    /// Share of the draws from a random [family](Family) instead of independent coefficients. All families are equally
    /// likely.
    ///
    /// Independent coefficients are never zero or equal, so a model would not see the identity, a graph or a matrix of
    /// rank one.
    pub structured: f64,
}

/// One of the shares.
struct Share {
    /// The prefix of the share in the text form.
    prefix: &'static str,
    /// The key of the share in a recipe.
    key: &'static str,
    /// The name of the share in an error.
    name: &'static str,
    of: fn(&mut Oversampling) -> &mut f64,
}

impl Share {
    fn refuse(&self, value: String) -> InvalidDistribution {
        InvalidDistribution::Share {
            key: self.key,
            name: self.name,
            value,
        }
    }
}

/// All shares, in the order of the text form.
const SHARES: [Share; 5] = [
    Share {
        prefix: "+bias:",
        key: "sign_bias",
        name: "sign bias",
        of: |oversampling| &mut oversampling.sign_bias,
    },
    Share {
        prefix: "+small:",
        key: "small_share",
        name: "share of small coefficients",
        of: |oversampling| &mut oversampling.small,
    },
    Share {
        prefix: "+large:",
        key: "large_share",
        name: "share of large draws",
        of: |oversampling| &mut oversampling.large,
    },
    Share {
        prefix: "+singular:",
        key: "singular_share",
        name: "share of nearly singular draws",
        of: |oversampling| &mut oversampling.singular,
    },
    Share {
        prefix: "+structured:",
        key: "structured_share",
        name: "share of structured draws",
        of: |oversampling| &mut oversampling.structured,
    },
];

/// The smallest singular value is divided by at most this many powers of ten.
const DECADES: f64 = 2.0;

impl Oversampling {
    /// Fails if a share is not between 0 and 1.
    pub fn validate(mut self) -> Result<(), InvalidDistribution> {
        SHARES.iter().try_for_each(|share| {
            let value = *(share.of)(&mut self);
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(share.refuse(value.to_string()))
            }
        })
    }

    /// Whether no draw is changed.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Parses the shares at the end of a text; returns the text before them as well.
    pub(super) fn split(text: &str) -> Result<(&str, Self), InvalidDistribution> {
        let mut oversampling = Self::default();
        let mut rest = text;
        for share in SHARES.iter().rev() {
            if let Some((before, value)) = rest.split_once(share.prefix) {
                *(share.of)(&mut oversampling) = value.parse().map_err(|_| share.refuse(value.to_owned()))?;
                rest = before;
            }
        }
        Ok((rest, oversampling))
    }

    /// The family of the next matrix; `None` for independent coefficients.
    pub(super) fn family(self, generator: &mut Generator) -> Option<Family> {
        // A share of zero consumes no random number.
        let is_structured = self.structured > 0.0 && generator.random::<f64>() < self.structured;
        is_structured.then(|| Family::draw(generator))
    }

    /// The factor for the smallest singular value of the next matrix.
    pub(super) fn smallest_factor(self, generator: &mut Generator) -> f64 {
        10f64.powf(-DECADES * uniform_or(self.singular, 0.0, generator))
    }
}

/// A uniform number from 0 to 1 with probability `share`; else `otherwise`.
///
/// A share of zero consumes no random number, so that the examples of recipes without oversampling do not change.
pub(super) fn uniform_or(share: f64, otherwise: f64, generator: &mut Generator) -> f64 {
    if share > 0.0 && generator.random::<f64>() < share {
        generator.random()
    } else {
        otherwise
    }
}

/// Multiplies the smallest singular value of a matrix, unless its decomposition fails.
pub(super) fn scale_smallest(matrix: &mut Matrix, factor: f64) {
    let (rows, cols) = matrix.shape();
    let count = rows.min(cols);
    let (mut u, mut values, mut v) = (Matrix::zeros(rows, count), vec![0.0; count], Matrix::zeros(cols, count));
    if count > 0 && decomposition::svd(matrix, &mut u, &mut values, &mut v).is_ok() {
        let last = count - 1;
        matrix.ger((factor - 1.0) * values[last], &u.column(last), &v.column(last), 1.0);
    }
}

/// Multiplies the eigenvalue of smallest magnitude of a symmetric matrix, unless its decomposition fails.
pub(super) fn scale_smallest_symmetric(matrix: &mut Matrix, factor: f64) {
    let mut values = vec![0.0; matrix.nrows()];
    if decomposition::eigenvalues(matrix, &mut values).is_ok() {
        let smallest = values.iter().fold(f64::INFINITY, |least, value| least.min(value.abs()));
        // The two decompositions may differ in the last bits.
        let is_smallest = |value: f64| value.abs() <= smallest * (1.0 + 1e-9);
        let scaled = |value| if is_smallest(value) { factor * value } else { value };
        if decomposition::replace_eigenvalues(matrix, scaled).is_ok() {
            mirror(matrix);
        }
    }
}

impl fmt::Display for Oversampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut oversampling = *self;
        SHARES
            .iter()
            .try_for_each(|Share { prefix, of, .. }| match *of(&mut oversampling) {
                0.0 => Ok(()),
                share => write!(f, "{prefix}{share}"),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_share_is_enough_to_change_draws() {
        assert!(Oversampling::default().is_none());
        let structured = Oversampling {
            structured: 0.5,
            ..Oversampling::default()
        };
        assert!(!structured.is_none());
    }
}
