//! Oversampling: what is drawn more often than the distribution says, so that a model learns what is rare.

use super::{Family, Generator, InvalidDistribution, Matrix, decomposition, mirror};
use rand::RngExt;
use std::fmt;

/// Shares of the draws that are changed; zero leaves them as they are.
///
/// The text form is `+bias:` and the sign bias, `+small:` and the share of small coefficients, `+large:` and the share of large draws,
/// `+singular:` and the share of nearly singular ones, `+structured:` and the share of structured ones, each if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Oversampling {
    /// Share of the draws whose signs lean to the positive: each has a probability of its own, uniform on [0, 1], with
    /// which a coefficient is replaced by its magnitude.
    ///
    /// Determinants and their kin are sums of products whose signs are parities of the coefficients' signs, and a parity
    /// of fair signs tells a gradient nothing until it is known whole. Among leaning signs its parts show, and what is
    /// learned there holds for fair ones too (Abbe, Cornacchia & Lotfi 2023, arXiv 2306.16921).
    pub sign_bias: f64,
    /// Probability with which a coefficient is made smaller by up to six powers of ten, each as likely as any other.
    ///
    /// Of uniform coefficients one in a thousand is below a thousandth of the magnitude, too few to learn to copy from.
    pub small: f64,
    /// Share of the draws whose coefficients are made larger: each has a power of its own, uniform on [0, 1], to which their share of the
    /// magnitude is raised.
    ///
    /// Where coefficients are large together, so is what is made of them. Of the coefficients of products of uniform 5x5
    /// matrices one in a thousand is beyond half of the bound, too few for a model to learn their places on its scale.
    pub large: f64,
    /// Share of the draws whose smallest singular value is made smaller, by up to two powers of ten, each as likely as any other.
    ///
    /// An inverse is as large as that is small, and what is wrong with it counts by the condition of the matrix, which of one uniform
    /// 5x5 matrix in ten is beyond 70 and of one in a hundred beyond 700.
    pub singular: f64,
    /// Share of the draws that are of a [family](Family), each as likely as any other, in place of independent coefficients.
    ///
    /// Of independent coefficients none are zero or equal, so that a model never sees the identity, a graph or a matrix of rank one.
    pub structured: f64,
}

/// One of the shares.
struct Share {
    /// Before the share in the text form.
    mark: &'static str,
    /// Its name in a recipe.
    key: &'static str,
    /// Its name in a sentence.
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

/// In the order of the text form.
const SHARES: [Share; 5] = [
    Share {
        mark: "+bias:",
        key: "sign_bias",
        name: "sign bias",
        of: |oversampling| &mut oversampling.sign_bias,
    },
    Share {
        mark: "+small:",
        key: "small_share",
        name: "share of small coefficients",
        of: |oversampling| &mut oversampling.small,
    },
    Share {
        mark: "+large:",
        key: "large_share",
        name: "share of large draws",
        of: |oversampling| &mut oversampling.large,
    },
    Share {
        mark: "+singular:",
        key: "singular_share",
        name: "share of nearly singular draws",
        of: |oversampling| &mut oversampling.singular,
    },
    Share {
        mark: "+structured:",
        key: "structured_share",
        name: "share of structured draws",
        of: |oversampling| &mut oversampling.structured,
    },
];

/// How much smaller a singular value is made at most, in powers of ten.
const DECADES: f64 = 2.0;

impl Oversampling {
    /// Fails if one of them is not a share.
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

    /// Whether draws stay as they are.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Takes the shares off the end of a text; returns what stands before them.
    pub(super) fn split(text: &str) -> Result<(&str, Self), InvalidDistribution> {
        let mut oversampling = Self::default();
        let mut rest = text;
        for share in SHARES.iter().rev() {
            if let Some((before, value)) = rest.split_once(share.mark) {
                *(share.of)(&mut oversampling) = value.parse().map_err(|_| share.refuse(value.to_owned()))?;
                rest = before;
            }
        }
        Ok((rest, oversampling))
    }

    /// The family of the next matrix, where it is a structured one.
    pub(super) fn family(self, generator: &mut Generator) -> Option<Family> {
        // A share of zero takes no random number.
        let is_structured = self.structured > 0.0 && generator.random::<f64>() < self.structured;
        is_structured.then(|| Family::draw(generator))
    }

    /// By how much the smallest singular value of the next matrix is multiplied.
    pub(super) fn nearness(self, generator: &mut Generator) -> f64 {
        10f64.powf(-DECADES * chosen(self.singular, 0.0, generator))
    }
}

/// A number from 0 to 1 with the probability of a share, and otherwise another.
///
/// A share of zero takes no random number, so that examples of other recipes stay what they are.
pub(super) fn chosen(share: f64, otherwise: f64, generator: &mut Generator) -> f64 {
    if share > 0.0 && generator.random::<f64>() < share {
        generator.random()
    } else {
        otherwise
    }
}

/// Multiplies the smallest singular value of a matrix; leaves it alone where its decomposition fails.
pub(super) fn scale_smallest(matrix: &mut Matrix, factor: f64) {
    let (rows, cols) = matrix.shape();
    let count = rows.min(cols);
    let (mut u, mut values, mut v) = (Matrix::zeros(rows, count), vec![0.0; count], Matrix::zeros(cols, count));
    if count > 0 && decomposition::svd(matrix, &mut u, &mut values, &mut v).is_ok() {
        let last = count - 1;
        matrix.ger((factor - 1.0) * values[last], &u.column(last), &v.column(last), 1.0);
    }
}

/// Multiplies the eigenvalue of smallest magnitude of a symmetric matrix; leaves it alone where its decomposition fails.
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
            .try_for_each(|Share { mark, of, .. }| match *of(&mut oversampling) {
                0.0 => Ok(()),
                share => write!(f, "{mark}{share}"),
            })
    }
}
