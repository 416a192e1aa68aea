//! How answers are looked for: what a model proposes, which proposal is the best by its residual, and one step beyond it.
//!
//! A residual needs the operands and the proposal, but no solution, so that all this can be done where the answer is not known.

use crate::batch::Batcher;
use crate::dataset::Case;
use crate::matrix::{Address, Matrix, Split, fingerprint};
use crate::model::{Candidate, Model};
use crate::problem::{ALL, Normalization, Problem, Rotation};
use anyhow::{Result, ensure};
use tch::Kind;

/// What is done for an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Candidates that an autoregressive decoder keeps.
    pub beam: usize,
    /// How many equivalent problems the model is asked, the problem itself among them; the answer is the median of its answers,
    /// of inverses the mean of those near it.
    pub views: usize,
    /// Asks for an equivalent problem whose coefficients have this deviation, that of the training; see [`Normalization`].
    pub normalize: Option<f64>,
    /// Takes the proposal with the smallest residual; the median is one, too.
    pub verify: bool,
    /// Goes one step from the answer towards the solution, and stays where that does not lower the residual.
    pub repair: bool,
    /// Of the model's linear maps and attention.
    pub kind: Kind,
}

/// The model's most probable answer.
impl Default for Search {
    fn default() -> Self {
        Self {
            beam: 1,
            views: 1,
            normalize: None,
            verify: false,
            repair: false,
            kind: Kind::Float,
        }
    }
}

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
    /// The median of the proposals for all views; none where there is one view.
    pub median: Option<Checked>,
    pub verified: Option<Checked>,
    pub repaired: Option<Checked>,
}

impl Answer {
    /// What the search ends with, and its residual.
    pub fn last(&self) -> Option<(&[Matrix], f64)> {
        let checked = self
            .repaired
            .as_ref()
            .or(self.verified.as_ref())
            .or(self.median.as_ref());
        let own = self.own.as_ref().map(|own| (own.solution.as_slice(), self.residual));
        checked
            .map(|checked| (checked.prediction.as_slice(), checked.residual))
            .or(own)
    }
}

impl Search {
    /// The largest number of views.
    pub const VIEWS: usize = 1_000;

    /// Fails where a model cannot be asked so.
    pub fn check(&self, model: &Model) -> Result<()> {
        model.check_beam(self.beam)?;
        ensure!(
            (1..=Self::VIEWS).contains(&self.views),
            "views = {}: expected 1 to {}",
            self.views,
            Self::VIEWS
        );
        for format in model.formats() {
            let problem = format.problem;
            ensure!(
                !self.repair || problem.repair().is_some(),
                "there is no repair for {}, but for {}",
                problem.name(),
                repairable().join(", ")
            );
        }
        Ok(())
    }

    /// Answers for operands of one case, as the model sees them.
    pub fn answers(
        &self,
        model: &Model,
        batcher: &mut Batcher,
        case: Case,
        operands: &[&[Matrix]],
    ) -> Result<Vec<Vec<Candidate>>> {
        let format = model.format_of(case);
        let Some(deviation) = self.normalize else {
            return self.views(model, batcher, case, operands);
        };
        let normalized = normalized(format.problem, operands, deviation);
        let moved: Vec<&[Matrix]> = normalized.iter().map(|(_, moved)| moved.as_slice()).collect();
        let mut answers = self.views(model, batcher, case, &moved)?;
        for (answers, (normalization, _)) in answers.iter_mut().zip(&normalized) {
            for candidate in answers {
                for solution in [&mut candidate.solution, &mut candidate.written] {
                    *solution = normalization.restore(solution);
                }
            }
        }
        Ok(answers)
    }

    /// Answers for operands, and for as many equivalent ones as are asked for. Those are not rounded again: rounding would make them
    /// other problems.
    fn views(
        &self,
        model: &Model,
        batcher: &mut Batcher,
        case: Case,
        operands: &[&[Matrix]],
    ) -> Result<Vec<Vec<Candidate>>> {
        let mut answers = self.propose(model, batcher, case, operands)?;
        let Some(first) = operands.first() else {
            return Ok(answers);
        };
        let problem = model.format_of(case).problem;
        for index in 1..self.views as u64 {
            let address = Address {
                seed: 0,
                split: Split::Test,
                index,
            };
            let mut generator = address.generator(fingerprint("views"));
            let rotation = Rotation::draw(problem, first, &mut generator);
            let rotated: Vec<_> = operands
                .iter()
                .map(|operands| {
                    let moved = rotation.transform(operands);
                    // Models are used to a range.
                    let smaller = Normalization::within(problem, &moved, operands);
                    (smaller.transform(&moved), smaller)
                })
                .collect();
            let moved: Vec<&[Matrix]> = rotated.iter().map(|(moved, _)| moved.as_slice()).collect();
            let proposed = self.propose(model, batcher, case, &moved)?;
            for ((answers, more), (_, smaller)) in answers.iter_mut().zip(proposed).zip(&rotated) {
                answers.extend(more.into_iter().map(|candidate| {
                    let mut solution = rotation.restore(&smaller.restore(&candidate.solution));
                    problem.fix_signs(&mut solution);
                    Candidate { solution, ..candidate }
                }));
            }
        }
        Ok(answers)
    }

    /// What the model writes, moved back where it reads another form; vectors have the sign of solutions.
    fn propose(
        &self,
        model: &Model,
        batcher: &mut Batcher,
        case: Case,
        operands: &[&[Matrix]],
    ) -> Result<Vec<Vec<Candidate>>> {
        let source = batcher.source(operands.iter().copied())?;
        let mut answers = model.generate_in(self.kind, &source, case, self.beam)?;
        let format = model.format_of(case);
        let mut pose = format.pose();
        for (answers, operands) in answers.iter_mut().zip(operands) {
            if let Some(pose) = &mut pose {
                pose.find(operands);
            }
            for candidate in answers {
                for solution in [&mut candidate.solution, &mut candidate.written] {
                    if let Some(pose) = &pose {
                        *solution = pose.restore(solution);
                    }
                    format.problem.fix_signs(solution);
                }
            }
        }
        Ok(answers)
    }

    /// Checks proposals, the most probable of the problem itself first.
    pub fn choose(&self, problem: &dyn Problem, operands: &[Matrix], proposals: Vec<Candidate>) -> Answer {
        let residual = |prediction: &[Matrix]| problem.residual(operands, prediction);
        let check = |prediction: Vec<Matrix>| Checked {
            residual: residual(&prediction),
            prediction,
        };
        let medians = (self.views > 1).then(|| median(problem, &proposals)).flatten();
        let median = medians.map(check);
        let verified = self.verify.then(|| {
            let checked = proposals.iter().map(|candidate| check(candidate.solution.clone()));
            let checked = checked.chain(median.clone());
            checked.min_by(|a, b| a.residual.total_cmp(&b.residual))
        });
        let proposals_count = proposals.len();
        let own = proposals.into_iter().next();
        let mut answer = Answer {
            residual: own.as_ref().map_or(f64::INFINITY, |own| residual(&own.solution)),
            own,
            proposals: proposals_count,
            median,
            verified: verified.flatten(),
            repaired: None,
        };
        if let (true, Some(repair), Some((prediction, before))) = (self.repair, problem.repair(), answer.last()) {
            let mut better = repair(operands, prediction);
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

/// The median of each coefficient of proposals: errors of either sign cancel, and one that is far off has no weight. Errors of an inverse that cancel
/// in its product with the matrix are of many coefficients together, which medians would part; of inverses it is the mean of whole
/// proposals, each weighed by the inverse square of its distance to the median. None where there are no proposals.
fn median(problem: &dyn Problem, proposals: &[Candidate]) -> Option<Vec<Matrix>> {
    let count = proposals.len();
    let mut medians = proposals.first()?.solution.clone();
    let mut solutions: Vec<Vec<Matrix>> = proposals.iter().map(|proposal| proposal.solution.clone()).collect();
    // Where two entries are equally large, the sign that solutions have is a matter of luck.
    for solution in &mut solutions {
        problem.align_signs(solution, &medians);
    }
    for (place, matrix) in medians.iter_mut().enumerate() {
        for index in 0..matrix.len() {
            let mut values: Vec<f64> = solutions.iter().map(|solution| solution[place][index]).collect();
            values.sort_by(f64::total_cmp);
            matrix[index] = (values[(count - 1) / 2] + values[count / 2]) / 2.0;
        }
    }
    if problem.invariance().pivots {
        medians = nearest(&solutions, &medians);
    }
    // Medians of entries are no unit vectors any more.
    for &place in problem.vectors() {
        for mut vector in medians[place].column_iter_mut() {
            let _ = vector.try_normalize_mut(f64::MIN_POSITIVE);
        }
    }
    problem.fix_signs(&mut medians);
    Some(medians)
}

/// The mean of solutions, weighed by the inverse squares of their distances to another one; that one where one is it.
fn nearest(solutions: &[Vec<Matrix>], other: &[Matrix]) -> Vec<Matrix> {
    let distance = |solution: &Vec<Matrix>| -> f64 {
        let apart = solution
            .iter()
            .zip(other)
            .map(|(matrix, other)| (matrix - other).abs().sum());
        apart.sum()
    };
    let distances: Vec<f64> = solutions.iter().map(distance).collect();
    let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
    let weights: Vec<f64> = distances
        .iter()
        .map(|&distance| {
            if distance > least {
                (least / distance).powi(2)
            } else {
                1.0
            }
        })
        .collect();
    let whole: f64 = weights.iter().sum();
    let mut mean = other.to_vec();
    for (place, matrix) in mean.iter_mut().enumerate() {
        matrix.fill(0.0);
        for (solution, weight) in solutions.iter().zip(&weights).filter(|(_, weight)| **weight > 0.0) {
            *matrix += &solution[place] * (weight / whole);
        }
    }
    mean
}

/// Equivalent problems whose coefficients have a deviation, and how they were made. They are not rounded again: rounding would make
/// them other problems.
fn normalized(problem: &dyn Problem, operands: &[&[Matrix]], deviation: f64) -> Vec<(Normalization, Vec<Matrix>)> {
    let normalize = |operands: &&[Matrix]| {
        let normalization = Normalization::of(problem, operands, deviation);
        (normalization, normalization.transform(operands))
    };
    operands.iter().map(normalize).collect()
}

fn repairable() -> Vec<&'static str> {
    let problems = ALL.iter().filter(|problem| problem.repair().is_some());
    problems.map(|problem| problem.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem;

    fn candidate(value: f64) -> Candidate {
        Candidate {
            solution: vec![Matrix::from_element(1, 1, value)],
            written: vec![],
            tokens: vec![],
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
    fn the_median_of_views_is_an_answer_and_a_proposal() {
        let views = Search {
            views: 5,
            ..Search::default()
        };
        assert_eq!(value(&search(views, &[0.2, 9.0, 0.24, 0.26, 0.23])), 0.24);
        assert!((value(&search(views, &[0.2, 0.3])) - 0.25).abs() < 1e-12);
        let verify = Search { verify: true, ..views };
        assert!((value(&search(verify, &[0.2, 0.3])) - 0.25).abs() < 1e-12);
        assert_eq!(value(&search(verify, &[0.1, 0.25, 0.9, 0.8])), 0.25);
        assert_eq!(search(views, &[]).last(), None);
    }

    #[test]
    fn of_inverses_whole_answers_are_weighed() {
        let proposal = |first: f64, second: f64| Candidate {
            solution: vec![Matrix::from_row_slice(1, 2, &[first, second])],
            written: vec![],
            tokens: vec![],
            log_probability: 0.0,
        };
        let of = |name, proposals: &[Candidate]| median(problem::named(name).unwrap(), proposals).unwrap().remove(0);
        // The medians are 1.5 and 2, from which the answers are 2, 1, 1 and 6 away.
        let answers = [
            proposal(1.0, 3.5),
            proposal(2.0, 1.5),
            proposal(1.0, 2.5),
            proposal(6.0, 0.5),
        ];
        assert_eq!(of("transpose", &answers), Matrix::from_row_slice(1, 2, &[1.5, 2.0]));
        let whole = 0.25 + 1.0 + 1.0 + 1.0 / 36.0;
        let expected = [0.25 + 2.0 + 1.0 + 6.0 / 36.0, 0.25 * 3.5 + 1.5 + 2.5 + 0.5 / 36.0].map(|sum| sum / whole);
        assert!((of("inverse", &answers) - Matrix::from_row_slice(1, 2, &expected)).amax() < 1e-12);
        // One that is the median itself, and one that is infinitely far off.
        let answers = [proposal(1.0, 1.0), proposal(2.0, 2.0), proposal(f64::INFINITY, 3.0)];
        assert_eq!(of("inverse", &answers), Matrix::from_row_slice(1, 2, &[2.0, 2.0]));
    }

    #[test]
    fn the_median_of_vectors_is_of_one_sign() {
        let eigenvectors = problem::named("eigenvectors").unwrap();
        let proposal = |vector: [f64; 2]| Candidate {
            solution: vec![
                Matrix::from_element(2, 1, 1.0),
                Matrix::from_columns(&[vector.to_vec().into(), vec![0.5, 0.5].into()]),
            ],
            written: vec![],
            tokens: vec![],
            log_probability: 0.0,
        };
        // As solutions have it, the larger entry is positive. The medians are 0.7 and -0.7; a vector has norm 1.
        let vectors = [[-0.6, 0.8], [0.8, -0.6], [0.8, -0.6], [-0.6, 0.8]];
        let medians = median(eigenvectors, &vectors.map(proposal)).unwrap();
        assert!(
            (medians[1].column(0) - Matrix::from_column_slice(2, 1, &[0.5f64.sqrt(), -0.5f64.sqrt()])).amax() < 1e-12
        );
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
