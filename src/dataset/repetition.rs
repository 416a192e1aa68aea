//! Which examples training comes back to.

use crate::matrix::{Address, Generator, Split, fingerprint};
use rand::RngExt;
use rand::seq::SliceRandom;
use std::sync::{Arc, Mutex, PoisonError};

/// Which index of the stream each place of the training batches takes. Places are counted over all batches: place `k` of
/// step `s` is `s * batch_size + k`; so the index is a pure function of seed, step and place.
///
/// All examples of a batch have the size of its step. Where there are several sizes, an index stands for one example of each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Repetition {
    /// Every place takes an example of its own.
    #[default]
    Never,
    /// Only the first examples, epoch after epoch, each epoch in an order of its own.
    Fixed { examples: u32 },
    /// Two sets (Charton and Kempe, arXiv 2410.07041): with the probability `share` a place takes one of the first examples,
    /// all equally likely, and else one of its own that comes after them.
    TwoSets { examples: u64, share: f64 },
}

impl Repetition {
    /// How many of the first examples come again and again; none where none do.
    pub fn examples(self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::Fixed { examples } => Some(examples.into()),
            Self::TwoSets { examples, .. } => Some(examples),
        }
    }
}

/// Numbers below a count, in an order that is a pure function of the seed, the purpose and the round.
pub(super) fn shuffled(count: u32, seed: u64, purpose: &str, round: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    order.shuffle(&mut generator(seed, purpose, round));
    order
}

fn generator(seed: u64, purpose: &str, index: u64) -> Generator {
    let split = Split::Train;
    Address { seed, split, index }.generator(fingerprint(purpose))
}

/// An epoch, and the order of its examples.
type Epoch = (u64, Arc<Vec<u32>>);

/// The indices that places take; keeps the order of the last epoch that was asked for.
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

    /// The indices that a place and those after it take.
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
    fn fresh_examples_are_taken_in_turn() {
        assert!(indices(Repetition::Never, 7, 0, 100).into_iter().eq(0..100));
    }

    #[test]
    fn epochs_are_orders_of_their_own() {
        let fixed = Indices::new(Repetition::Fixed { examples: 100 });
        let epoch = |seed, epoch: u64| -> Vec<u64> { fixed.from(seed, 100 * epoch).take(100).collect() };
        let mut orders = HashSet::new();
        for number in [0, 1, 2, 1 << 40] {
            let order = epoch(1, number);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..100));
            // Any part can be asked for alone, in any order.
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
        // 10,000 expected with deviation 87; each example 1,000 with deviation 31.
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
