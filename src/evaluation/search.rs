//! How answers are looked for: what a model proposes, which proposal is the best by its residual, and one step beyond it.
//!
//! A residual needs the operands and the proposal, but no solution, so that all this can be done where the answer is not known.

use super::repair::{repair_of, repairable};
use crate::dataset::{Format, Target};
use crate::inference::Candidate;
use crate::matrix::Matrix;
use crate::problem::Problem;
use anyhow::{Result, ensure};

/// What is done for an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Candidates that an autoregressive decoder keeps.
    pub beam: usize,
    /// Takes the proposal with the smallest residual.
    pub verify: bool,
    /// Goes one step from the answer towards the solution, and stays where that does not lower the residual.
    pub repair: bool,
}

/// The most probable answer.
impl Default for Search {
    fn default() -> Self {
        Self {
            beam: 1,
            verify: false,
            repair: false,
        }
    }
}

/// The widest beam.
const BEAM: usize = 1_000;

/// An answer with its residual.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    pub prediction: Vec<Matrix>,
    pub residual: f64,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The most probable answer of the model to the problem itself; none where it gave none.
    pub own: Option<Candidate>,
    pub residual: f64,
    /// Number of proposals.
    pub proposals: usize,
    pub verified: Option<Checked>,
    pub repaired: Option<Checked>,
}

impl Answer {
    /// What the search ends with, and its residual.
    pub fn last(&self) -> Option<(&[Matrix], f64)> {
        let checked = self.repaired.as_ref().or(self.verified.as_ref());
        let own = self.own.as_ref().map(|own| (own.solution.as_slice(), self.residual));
        checked
            .map(|checked| (checked.prediction.as_slice(), checked.residual))
            .or(own)
    }
}

impl Search {
    /// Fails where models of these formats cannot be asked so.
    pub fn check(&self, formats: &[Format]) -> Result<()> {
        let beam = self.beam;
        ensure!(
            (1..=BEAM).contains(&beam),
            "beam = {beam}: expected 1 to {BEAM} candidates"
        );
        for format in formats {
            let problem = format.problem;
            ensure!(
                beam == 1 || format.target == Target::Tokens,
                "beam = {beam}: a model that predicts all coefficients at once has no beam search; use beam 1, or train with \
                 model.decoder = \"autoregressive\""
            );
            ensure!(
                !self.repair || repair_of(problem).is_some(),
                "there is no repair for {}, but for {}",
                problem.name(),
                repairable().join(", ")
            );
        }
        Ok(())
    }

    /// Checks proposals, the most probable of the problem itself first.
    pub fn choose(&self, problem: &dyn Problem, operands: &[Matrix], proposals: Vec<Candidate>) -> Answer {
        let residual = |prediction: &[Matrix]| problem.residual(operands, prediction);
        let check = |prediction: Vec<Matrix>| Checked {
            residual: residual(&prediction),
            prediction,
        };
        let verified = self.verify.then(|| {
            let checked = proposals.iter().map(|candidate| check(candidate.solution.clone()));
            checked.min_by(|a, b| a.residual.total_cmp(&b.residual))
        });
        let proposals_count = proposals.len();
        let own = proposals.into_iter().next();
        let mut answer = Answer {
            residual: own.as_ref().map_or(f64::INFINITY, |own| residual(&own.solution)),
            own,
            proposals: proposals_count,
            verified: verified.flatten(),
            repaired: None,
        };
        if let (true, Some(repair), Some((prediction, before))) = (self.repair, repair_of(problem), answer.last()) {
            let mut better = repair(&operands[0], prediction);
            problem.fix_signs(&mut better);
            let after = residual(&better);
            let repaired = if after < before {
                Checked {
                    prediction: better,
                    residual: after,
                }
            } else {
                Checked {
                    prediction: prediction.to_vec(),
                    residual: before,
                }
            };
            answer.repaired = Some(repaired);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem;

    fn candidate(value: f64) -> Candidate {
        Candidate {
            solution: vec![Matrix::from_element(1, 1, value)],
            log_probability: -value,
        }
    }

    /// The inverse of 4 from proposals.
    fn search(search: Search, proposals: &[f64]) -> Answer {
        let inverse = problem::named("inverse").unwrap();
        let operands = [Matrix::from_element(1, 1, 4.0)];
        search.choose(
            inverse,
            &operands,
            proposals.iter().map(|&value| candidate(value)).collect(),
        )
    }

    fn value(answer: &Answer) -> f64 {
        answer.last().unwrap().0[0][0]
    }

    #[test]
    fn the_best_proposal_is_that_of_the_smallest_residual() {
        let plain = search(Search::default(), &[0.2, 0.26, 0.3]);
        assert_eq!((value(&plain), plain.verified.is_none()), (0.2, true));
        assert!((plain.residual - 0.2).abs() < 1e-12);
        let verify = Search {
            verify: true,
            ..Search::default()
        };
        let verified = search(verify, &[0.2, f64::NAN, 0.26, 0.3]);
        assert_eq!((value(&verified), verified.proposals), (0.26, 4));
        assert!((verified.last().unwrap().1 - 0.04).abs() < 1e-12 && (verified.residual - 0.2).abs() < 1e-12);
        assert_eq!(search(verify, &[]).last(), None);
    }

    #[test]
    fn a_repair_that_makes_it_worse_is_not_taken() {
        let repair = Search {
            repair: true,
            ..Search::default()
        };
        // p (2 - 4 p).
        assert!((value(&search(repair, &[0.2])) - 0.24).abs() < 1e-12);
        let far = search(repair, &[0.75]);
        assert_eq!((value(&far), far.last().unwrap().1), (0.75, 2.0));
    }
}
