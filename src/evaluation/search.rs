//! The search for an answer: a model's proposals, the choice of the best one by its residual, and one step of repair.
//!
//! A residual needs operands and proposal but no solution, so the search also works on new problems.

use super::repair::{repair_of, repairable};
use crate::dataset::{Format, Target};
use crate::inference::{Candidate, Checker};
use crate::matrix::Matrix;
use anyhow::{Result, ensure};

/// Options of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Beam width of an autoregressive decoder.
    pub beam: usize,
    /// Chooses the proposal with the smallest residual instead of the most probable one.
    pub verify: bool,
    /// Adds one step of repair, unless it increases the residual.
    pub repair: bool,
}

/// The most probable answer, without verification or repair.
impl Default for Search {
    fn default() -> Self {
        Self {
            beam: 1,
            verify: false,
            repair: false,
        }
    }
}

/// The largest beam width.
const BEAM: usize = 1_000;

/// An answer and its residual.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    pub prediction: Vec<Matrix>,
    pub residual: f64,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The model's most probable answer; `None` if it gave none.
    pub own: Option<Candidate>,
    pub residual: f64,
    /// Number of proposals.
    pub proposals: usize,
    pub verified: Option<Checked>,
    pub repaired: Option<Checked>,
}

impl Answer {
    /// The final answer of the search, and its residual.
    pub fn last(&self) -> Option<(&[Matrix], f64)> {
        let checked = self.repaired.as_ref().or(self.verified.as_ref());
        let own = self.own.as_ref().map(|own| (own.solution.as_slice(), self.residual));
        checked
            .map(|checked| (checked.prediction.as_slice(), checked.residual))
            .or(own)
    }
}

impl Search {
    /// Fails if models of these formats do not support the options.
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

    /// Chooses among the proposals for each of several problems of one size. The most probable proposal comes first.
    pub fn choose(
        &self,
        checker: &Checker,
        operands: &[&[Matrix]],
        proposals: Vec<Vec<Candidate>>,
    ) -> Result<Vec<Answer>> {
        let pairs = operands.iter().zip(&proposals);
        let pairs = pairs.flat_map(|(operands, own)| own.iter().map(|it| (*operands, it.solution.as_slice())));
        let mut residuals = checker.residuals(&pairs.collect::<Vec<_>>())?.into_iter();
        let best = |own: Vec<Candidate>| self.best(own.into_iter().zip(residuals.by_ref()).collect());
        let mut answers: Vec<Answer> = proposals.into_iter().map(best).collect();
        if let (true, Some(repair)) = (self.repair, repair_of(checker.problem())) {
            let repaired = |(operands, answer): (&&[Matrix], &Answer)| {
                let mut better = answer
                    .last()
                    .map(|(prediction, _)| repair(&operands[0], prediction))
                    .unwrap_or_default();
                if !better.is_empty() {
                    checker.problem().fix_signs(&mut better);
                }
                better
            };
            let better: Vec<_> = operands.iter().zip(&answers).map(repaired).collect();
            let pairs: Vec<_> = operands
                .iter()
                .zip(&better)
                .map(|(operands, it)| (*operands, it.as_slice()))
                .collect();
            let residuals = checker.residuals(&pairs)?;
            for ((answer, prediction), residual) in answers.iter_mut().zip(better).zip(residuals) {
                answer.repaired = answer.last().map(|(before, of_before)| match residual < of_before {
                    true => Checked { prediction, residual },
                    false => Checked {
                        prediction: before.to_vec(),
                        residual: of_before,
                    },
                });
            }
        }
        Ok(answers)
    }

    /// The result for proposals with their residuals.
    fn best(&self, proposals: Vec<(Candidate, f64)>) -> Answer {
        let smallest = proposals.iter().min_by(|(_, a), (_, b)| a.total_cmp(b));
        let verified = smallest.filter(|_| self.verify).map(|(candidate, residual)| Checked {
            prediction: candidate.solution.clone(),
            residual: *residual,
        });
        let count = proposals.len();
        let (own, residual) = proposals.into_iter().next().unzip();
        Answer {
            own,
            residual: residual.unwrap_or(f64::INFINITY),
            proposals: count,
            verified,
            repaired: None,
        }
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

    /// Searches the inverse of 4 among proposals.
    fn search(search: Search, proposals: &[f64]) -> Answer {
        let checker = Checker::new(problem::named("inverse").unwrap()).unwrap();
        let operands = [Matrix::from_element(1, 1, 4.0)];
        let proposals = proposals.iter().map(|&value| candidate(value)).collect();
        search
            .choose(&checker, &[&operands], vec![proposals])
            .unwrap()
            .remove(0)
    }

    fn value(answer: &Answer) -> f64 {
        answer.last().unwrap().0[0][0]
    }

    #[test]
    fn the_proposal_with_the_smallest_residual_is_chosen() {
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
    fn a_repair_that_increases_the_residual_is_discarded() {
        let repair = Search {
            repair: true,
            ..Search::default()
        };
        // The step gives p (2 - 4 p).
        assert!((value(&search(repair, &[0.2])) - 0.24).abs() < 1e-12);
        let far = search(repair, &[0.75]);
        assert_eq!((value(&far), far.last().unwrap().1), (0.75, 2.0));
    }
}
