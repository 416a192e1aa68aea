//! Repetition of training examples.

use crate::matrix::{Address, Generator, Split, fingerprint};
use rand::RngExt;
use rand::seq::SliceRandom;
use std::sync::{Arc, Mutex, PoisonError};

/// The choice of stream indices for training batches. Places are numbered over all batches: place `k` of step `s` is
/// `s * batch_size + k`. The index is a pure function of seed, step and place.
///
/// All examples of a batch have the size of its step. If there are several sizes, an index has one example of each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Repetition {
    /// Each place takes a new example.
    #[default]
    Never,
    /// The training set has a fixed number of examples. Each epoch has all of them, in a new order.
    Fixed { examples: u32 },
    /// Two sets (Charton and Kempe, arXiv 2410.07041). With probability `share`, a place takes one of the first
    /// `examples`, uniformly; otherwise it takes a new one after them.
    TwoSets { examples: u64, share: f64 },
}

impl Repetition {
    /// The number of examples that are repeated; `None` without repetition.
    pub fn examples(self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::Fixed { examples } => Some(examples.into()),
            Self::TwoSets { examples, .. } => Some(examples),
        }
    }
}

/// A random order of the numbers below `count`. It is a pure function of seed, purpose and round.
pub(super) fn shuffled(count: u32, seed: u64, purpose: &str, round: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    order.shuffle(&mut generator(seed, purpose, round));
    order
}

fn generator(seed: u64, purpose: &str, index: u64) -> Generator {
    let split = Split::Train;
    Address { seed, split, index }.generator(fingerprint(purpose))
}

/// The number of an epoch, and the order of its examples.
type Epoch = (u64, Arc<Vec<u32>>);

/// The indices of training places. Caches the order of the last epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Indices {
    pub repetition: Repetition,
    last: Arc<Mutex<Epoch>>,
}

impl Indices {
    pub fn new(repetition: Repetition) -> Self {
        let last = Arc::default();
        Self { repetition, last }
    }

    /// The indices of a place and its successors.
    pub fn from(&self, seed: u64, place: u64) -> impl Iterator<Item = u64> {
        let mut epoch = Epoch::default();
        (place..).map(move |place| match self.repetition {
            Repetition::Never => place,
            Repetition::Fixed { examples } => {
                let (number, within) = (place / u64::from(examples), place % u64::from(examples));
                if epoch.0 != number || epoch.1.is_empty() {
                    epoch = self.epoch(seed, number, examples);
                }
                epoch.1[within as usize].into()
            }
            Repetition::TwoSets { examples, share } => {
                let mut generator = generator(seed, "two sets", place);
                if generator.random_bool(share) {
                    generator.random_range(0..examples)
                } else {
                    examples + place
                }
            }
        })
    }

    fn epoch(&self, seed: u64, number: u64, examples: u32) -> Epoch {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != number || last.1.is_empty() {
            *last = (number, Arc::new(shuffled(examples, seed, "epoch", number)));
        }
        last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn indices(repetition: Repetition, seed: u64, from: u64, count: usize) -> Vec<u64> {
        Indices::new(repetition).from(seed, from).take(count).collect()
    }

    #[test]
    fn new_examples_have_consecutive_indices() {
        assert!(indices(Repetition::Never, 7, 0, 100).into_iter().eq(0..100));
    }

    #[test]
    fn each_epoch_has_its_own_order() {
        let fixed = Indices::new(Repetition::Fixed { examples: 100 });
        let epoch = |seed, epoch: u64| -> Vec<u64> { fixed.from(seed, 100 * epoch).take(100).collect() };
        let mut orders = HashSet::new();
        for number in [0, 1, 2, 1 << 40] {
            let order = epoch(1, number);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..100));
            // Any part of an epoch can be computed alone, in any order.
            let part = indices(fixed.repetition, 1, 100 * number + 30, 5);
            assert_eq!(part, order[30..35]);
            assert!(orders.insert(order), "epoch {number} is like another");
        }
        assert!(!orders.contains(&indices(fixed.repetition, 2, 0, 100)));
    }

    #[test]
    fn a_share_of_places_takes_repeated_examples_uniformly() {
        let two = Repetition::TwoSets {
            examples: 10,
            share: 0.25,
        };
        let all = indices(two, 3, 0, 40_000);
        let (repeated, fresh): (Vec<u64>, Vec<u64>) = all.iter().partition(|&&index| index < 10);
        // Expected: 10,000 with standard deviation 87; for each example 1,000 with standard deviation 31.
        assert!((9_650..10_350).contains(&repeated.len()), "{}", repeated.len());
        for example in 0..10 {
            let times = repeated.iter().filter(|&&index| index == example).count();
            assert!((870..1_130).contains(&times), "{example}: {times}");
        }
        assert_eq!(
            fresh.iter().collect::<HashSet<_>>().len(),
            fresh.len(),
            "fresh ones come once"
        );
        assert_eq!(indices(two, 3, 500, 100), all[500..600]);
        assert_ne!(indices(two, 4, 0, 100), all[..100]);
        let share = 1.0;
        let repeated = Repetition::TwoSets { examples: 5, share };
        assert!(indices(repeated, 1, 0, 1_000).into_iter().all(|index| index < 5));
    }
}
