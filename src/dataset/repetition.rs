//! Which examples training comes back to.

use super::permutation::Permutation;
use crate::matrix::{Address, Split, fingerprint, mix};
use rand::RngExt;

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
    Fixed { examples: u64 },
    /// Two sets (Charton and Kempe, arXiv 2410.07041): with the probability `share` a place takes one of the first examples,
    /// all equally likely, and else one of its own that comes after them.
    TwoSets { examples: u64, share: f64 },
}

impl Repetition {
    /// How many of the first examples come again and again; none where none do.
    pub fn examples(self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::Fixed { examples } | Self::TwoSets { examples, .. } => Some(examples),
        }
    }

    /// The index that a place takes.
    pub fn index(self, seed: u64, place: u64) -> u64 {
        match self {
            Self::Never => place,
            Self::Fixed { examples } => {
                let epoch = place / examples;
                let key = mix(mix(seed ^ fingerprint("epoch")).wrapping_add(epoch));
                Permutation::new(examples, key).at(place % examples)
            }
            Self::TwoSets { examples, share } => {
                let address = Address {
                    seed,
                    split: Split::Train,
                    index: place,
                };
                let mut generator = address.generator(fingerprint("two sets"));
                if generator.random_bool(share) {
                    generator.random_range(0..examples)
                } else {
                    examples + place
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn fresh_examples_are_taken_in_turn() {
        assert!((0..100).all(|place| Repetition::Never.index(7, place) == place));
        assert_eq!(Repetition::Never.examples(), None);
    }

    #[test]
    fn epochs_are_permutations_of_their_own() {
        let fixed = Repetition::Fixed { examples: 100 };
        let epoch = |seed, epoch: u64| -> Vec<u64> {
            let places = 100 * epoch..100 * (epoch + 1);
            places.map(|place| fixed.index(seed, place)).collect()
        };
        let mut orders = HashSet::new();
        for (seed, number) in [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (1, 1 << 40)] {
            let order = epoch(seed, number);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..100));
            assert!(orders.insert(order), "epoch {number} of seed {seed} is like another");
        }
    }

    #[test]
    fn a_share_of_places_takes_repeated_examples_uniformly() {
        let two = Repetition::TwoSets {
            examples: 10,
            share: 0.25,
        };
        let indices: Vec<u64> = (0..40_000).map(|place| two.index(3, place)).collect();
        let (repeated, fresh): (Vec<u64>, Vec<u64>) = indices.iter().partition(|&&index| index < 10);
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
        // Any place can be asked for alone, in any order.
        assert!(
            (0..40_000)
                .rev()
                .all(|place| two.index(3, place) == indices[place as usize])
        );
        assert_ne!(
            (0..100).map(|place| two.index(4, place)).collect::<Vec<_>>(),
            indices[..100]
        );
    }

    #[test]
    fn a_share_of_one_has_no_fresh_examples() {
        let all = Repetition::TwoSets {
            examples: 5,
            share: 1.0,
        };
        assert!((0..1_000).all(|place| all.index(1, place) < 5));
    }
}
