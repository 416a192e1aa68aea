//! Mixtures of examples of several problems for one model.

use super::repetition::shuffled;
use super::{Example, Share, Source, Stream};
use crate::matrix::Shape;
use anyhow::Result;
use std::sync::Arc;

/// One stream per problem, in the order of the tasks. Examples by index alternate between the problems. A training
/// batch has one problem. Each round of steps has every problem once, in a new random order.
#[derive(Clone, Debug)]
pub struct Mixture {
    streams: Vec<Stream>,
}

impl Mixture {
    /// A single stream, or the mixture of several.
    pub fn of(mut streams: Vec<Stream>) -> Arc<dyn Source> {
        match streams.pop() {
            Some(only) if streams.is_empty() => Arc::new(only),
            last => Arc::new(Self {
                streams: streams.into_iter().chain(last).collect(),
            }),
        }
    }

    /// The task of an index, and the index within its stream, if tasks alternate.
    fn task_and_index(&self, index: u64) -> (usize, u64) {
        let tasks = self.streams.len() as u64;
        ((index % tasks) as usize, index / tasks)
    }
}

impl Source for Mixture {
    fn example(&self, index: u64) -> Result<Example> {
        let (task, place) = self.task_and_index(index);
        Ok(self.streams[task].example(place)?)
    }

    fn count(&self) -> Option<u64> {
        None
    }

    fn fill_share(&self, step: u64, share: Share, examples: &mut Vec<Example>) -> Result<Shape> {
        let (_, round) = self.task_and_index(step);
        self.streams[self.task_at(step)].fill_share(round, share, examples)
    }

    fn task_of(&self, index: u64) -> usize {
        self.task_and_index(index).0
    }

    fn task_at(&self, step: u64) -> usize {
        let (place, round) = self.task_and_index(step);
        shuffled(self.streams.len() as u32, self.streams[0].seed(), "tasks", round)[place] as usize
    }

    fn repeats(&self) -> Option<u64> {
        let each: Option<u64> = self.streams.iter().map(Source::repeats).min().flatten();
        each.map(|each| each * self.streams.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Repetition, Specification};
    use crate::matrix::Split;
    use crate::problem::{self, Problem};

    const NAMES: [&str; 3] = ["transpose", "add", "eigenvalues"];

    fn streams(repetition: Repetition) -> Vec<Stream> {
        let stream = |name| {
            let problem: &dyn Problem = problem::named(name).unwrap();
            let specification = Specification::new(problem, "2-3".parse().unwrap(), Default::default()).unwrap();
            Stream::new(specification, 1, Split::Train).with_repetition(repetition)
        };
        NAMES.map(stream).to_vec()
    }

    #[test]
    fn every_round_of_steps_has_each_problem_once_in_changing_order() {
        let mixture = Mixture::of(streams(Repetition::Never));
        let rounds: Vec<Vec<usize>> = (0..200)
            .map(|round| (0..3).map(|place| mixture.task_at(3 * round + place)).collect())
            .collect();
        let mut orders = rounds.clone();
        for round in &rounds {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2]);
        }
        orders.sort();
        orders.dedup();
        assert_eq!(orders.len(), 6, "all orders occur");
    }

    #[test]
    fn shares_together_are_the_whole_batch() {
        for repetition in [Repetition::Never, Repetition::Fixed { examples: 7 }] {
            let mixture = Mixture::of(streams(repetition));
            for (step, parts) in (0..12).zip([1, 2, 3, 4, 10].into_iter().cycle()) {
                let (mut whole, mut part, mut joined) = (Vec::new(), Vec::new(), Vec::new());
                let size = mixture.fill_batch(step, 10, &mut whole).unwrap();
                for number in 0..parts {
                    let share = Share::of(10, number, parts);
                    assert_eq!(mixture.fill_share(step, share, &mut part).unwrap(), size);
                    joined.append(&mut part);
                }
                assert_eq!(joined, whole, "step {step}, {parts} shares");
            }
        }
    }

    #[test]
    fn a_batch_equals_the_batch_of_its_problem_alone() {
        let (alone, mixture) = (streams(Repetition::Never), Mixture::of(streams(Repetition::Never)));
        let mut steps = [0; 3];
        for step in 0..30 {
            let task = mixture.task_at(step);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            let size = mixture.fill_batch(step, 4, &mut ours).unwrap();
            assert_eq!(size, alone[task].fill_batch(steps[task], 4, &mut theirs).unwrap());
            assert_eq!(ours, theirs);
            steps[task] += 1;
        }
    }

    #[test]
    fn examples_by_index_alternate_between_the_problems() {
        let (alone, mixture) = (streams(Repetition::Never), Mixture::of(streams(Repetition::Never)));
        for index in 0..12 {
            let task = mixture.task_of(index);
            assert_eq!(task as u64, index % 3);
            assert_eq!(mixture.example(index).unwrap(), alone[task].example(index / 3).unwrap());
        }
    }

    #[test]
    fn every_problem_has_its_own_fixed_set() {
        let mixture = Mixture::of(streams(Repetition::Fixed { examples: 8 }));
        assert_eq!(mixture.repeats(), Some(24));
        assert_eq!(Mixture::of(streams(Repetition::Never)).repeats(), None);
        // Two batches of four are one epoch of each problem: its eight examples, once each.
        let epoch = |steps: std::ops::Range<u64>, task: usize| {
            let mut seen = Vec::new();
            for step in steps.filter(|&step| mixture.task_at(step) == task) {
                let mut examples = Vec::new();
                mixture.fill_batch(step, 4, &mut examples).unwrap();
                seen.extend(examples);
            }
            let mut leading: Vec<f64> = seen.iter().map(|example| example.operands[0][0]).collect();
            leading.sort_by(f64::total_cmp);
            leading
        };
        // The first coefficient of transpose and of add is the first random number, at any size.
        for task in [0, 1] {
            assert_eq!(epoch(0..6, task).len(), 8);
            assert_eq!(epoch(0..6, task), epoch(6..12, task));
        }
    }

    #[test]
    fn a_single_stream_is_not_mixed() {
        let stream = streams(Repetition::Never).remove(2);
        let source = Mixture::of(vec![stream.clone()]);
        let mut batches = [Vec::new(), Vec::new()];
        let sizes = [
            source.fill_batch(5, 4, &mut batches[0]).unwrap(),
            stream.fill_batch(5, 4, &mut batches[1]).unwrap(),
        ];
        assert_eq!(sizes[0], sizes[1]);
        assert_eq!(batches[0], batches[1]);
        assert_eq!((source.task_at(5), source.task_of(5)), (0, 0));
    }
}
