//! Specifications of examples.

use std::fmt;

use anyhow::{Result, bail};

use super::Dimensions;
use crate::{
    matrix::{Distribution, Spectra, fingerprint},
    problem::{self, Problem, Problems},
};

/// A problem, the sizes of its examples, and the distribution of their operands.
#[derive(Clone, Debug)]
pub struct Specification {
    problem: &'static dyn Problem,
    dimensions: Dimensions,
    distribution: Distribution,
}

impl Specification {
    /// Fails if the parts do not fit together. The error names the problems that would fit.
    pub fn new(problem: &'static dyn Problem, dimensions: Dimensions, distribution: Distribution) -> Result<Self> {
        let name = problem.name();
        if problem.needs_square() && !dimensions.is_square() {
            bail!("{name} wants square matrices, not {dimensions}: give one size, such as 5, or a range, such as 5-15");
        }
        if !problem.is_symmetric() && !distribution.spectra.is_semicircle() {
            let symmetric: Vec<_> = problem::ALL
                .iter()
                .filter(|p| p.is_symmetric())
                .map(|p| p.name())
                .collect();
            let spectra = &distribution.spectra;
            bail!(
                "{name} has no spectrum, so it cannot be `{spectra}`: leave the spectrum out, or choose one of the \
                 problems {}",
                symmetric.join(", ")
            );
        }
        if let Some(family) = distribution.family
            && !distribution.spectra.is_semicircle()
        {
            let spectra = &distribution.spectra;
            bail!(
                "matrices of the family `{family}` have spectra of their own, not `{spectra}`: choose either a family \
                 or a spectrum"
            );
        }
        // The fields are public and may hold anything, so they are checked here.
        let Distribution {
            coefficients,
            magnitude,
            spectra,
            oversampling,
            family,
        } = distribution;
        let distribution = Distribution::new(coefficients, magnitude, spectra)?
            .with_family(family)
            .with_oversampling(oversampling)?;
        Ok(Self {
            problem,
            dimensions,
            distribution,
        })
    }

    /// One specification per problem of a set, in its order. Only symmetric problems take the spectra. Fails if a
    /// problem does not fit; the error names it.
    pub fn of_set(problems: &Problems, dimensions: Dimensions, distribution: &Distribution) -> Result<Vec<Self>> {
        let some_are_symmetric = problems.iter().any(|problem| problem.is_symmetric());
        let of = |problem: &'static dyn Problem| {
            let mut distribution = distribution.clone();
            if some_are_symmetric && !problem.is_symmetric() {
                distribution.spectra = Spectra::default();
            }
            Self::new(problem, dimensions, distribution)
        };
        problems.iter().map(of).collect()
    }

    pub fn problem(&self) -> &'static dyn Problem {
        self.problem
    }

    pub fn dimensions(&self) -> Dimensions {
        self.dimensions
    }

    pub fn distribution(&self) -> &Distribution {
        &self.distribution
    }

    /// A hash of the specification. It is the same on all machines and in all versions.
    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.to_string())
    }
}

/// `eigenvalues 5-15 uniform/laplace`
impl fmt::Display for Specification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.problem.name(), self.dimensions, self.distribution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specification(problem: &str, dimensions: &str, distribution: &str) -> Result<Specification> {
        Specification::new(problem::named(problem)?, dimensions.parse()?, distribution.parse()?)
    }

    #[test]
    fn specifications_whose_parts_do_not_fit_are_refused() {
        let message = |p, d, x| specification(p, d, x).unwrap_err().to_string();
        assert!(message("inverse", "3x4", "uniform").starts_with("inverse wants square matrices, not 3x4"));
        let spectrum = message("inverse", "3", "uniform/laplace");
        assert!(
            spectrum.starts_with("inverse has no spectrum, so it cannot be `laplace`"),
            "{spectrum}"
        );
        assert!(
            spectrum.ends_with("eigenvalues, eigenvectors, symmetric-inverse"),
            "{spectrum}"
        );
        assert!(message("eigenvalues", "3", "uniform@kernel/laplace").contains("`kernel` have spectra of their own"));
        assert!(specification("svd", "3-4x2", "gaussian@kernel").is_ok());
        assert!(specification("eigenvalues", "3x3", "gaussian/laplace").is_ok());
    }

    #[test]
    fn different_specifications_have_different_fingerprints() {
        let fingerprint = |p, d, x| specification(p, d, x).unwrap().fingerprint();
        let base = fingerprint("eigenvalues", "5", "uniform");
        assert_eq!(base, fingerprint("eigenvalues", "5x5", "uniform:10/semicircle"));
        assert_ne!(base, fingerprint("eigenvectors", "5", "uniform"));
        assert_ne!(base, fingerprint("eigenvalues", "5-6", "uniform"));
        assert_ne!(base, fingerprint("eigenvalues", "5", "uniform/laplace"));
    }
}
