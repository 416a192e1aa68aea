//! Orders that are drawn without a table.

use crate::matrix::mix;

/// Rounds of the network. Four are enough for large halves (Luby and Rackoff 1988); small ones take more.
const ROUNDS: usize = 8;
/// Bits of the smallest half: with fewer, some orders would be drawn more often than others.
const SMALLEST_HALF: u32 = 4;

/// A permutation of `0..count`, drawn by a key: a Feistel network on an even number of bits, walked until it is back in the
/// range (Black and Rogaway 2002).
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    count: u64,
    /// Bits of each half, up to 32.
    half: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// `count` is positive.
    pub fn new(count: u64, key: u64) -> Self {
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        let mut keys = [key; ROUNDS];
        for (round, key) in (1..).zip(&mut keys) {
            *key = mix(mix(*key).wrapping_add(round));
        }
        Self {
            count,
            half: bits.div_ceil(2).max(SMALLEST_HALF),
            keys,
        }
    }

    /// What stands at a place below `count`.
    pub fn at(&self, place: u64) -> u64 {
        debug_assert!(place < self.count);
        // The cycle of a place in the range comes back to the range, to the place itself at the latest.
        let mut value = place;
        loop {
            value = self.pass(value);
            if value < self.count {
                return value;
            }
        }
    }

    fn pass(&self, value: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (value >> self.half, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_stands_at_one_place() {
        for count in [1, 2, 3, 5, 16, 17, 100, 1_000, 4_097] {
            for key in 0..5 {
                let permutation = Permutation::new(count, key);
                let mut values: Vec<u64> = (0..count).map(|place| permutation.at(place)).collect();
                values.sort_unstable();
                assert!(values.into_iter().eq(0..count), "{count} {key}");
            }
        }
        let largest = Permutation::new(u64::MAX, 1);
        assert_ne!(largest.at(0), largest.at(u64::MAX - 1));
    }

    #[test]
    fn every_order_of_few_is_as_likely() {
        // 24 orders of four, 500 times each: chi-square with 23 degrees of freedom is below 49.7 in 999 of 1000 cases.
        let mut orders = std::collections::HashMap::new();
        for key in 0..12_000 {
            let permutation = Permutation::new(4, key);
            *orders
                .entry([0, 1, 2, 3].map(|place| permutation.at(place)))
                .or_insert(0) += 1;
        }
        assert_eq!(orders.len(), 24);
        let square: f64 = orders
            .values()
            .map(|&count| (f64::from(count) - 500.0).powi(2) / 500.0)
            .sum();
        assert!(square < 49.7, "{square}");
    }

    #[test]
    fn places_say_nothing_of_values() {
        // The sum of place times value over a random order of n has deviation n^2.5 / 12.
        let count = 10_000;
        for key in 0..5 {
            let permutation = Permutation::new(count, key);
            let n = count as f64;
            let sum: f64 = (0..count)
                .map(|place| (place as f64 - n / 2.0) * (permutation.at(place) as f64 - n / 2.0))
                .sum();
            assert!(sum.abs() < 4.0 * n.powf(2.5) / 12.0, "{key}: {sum}");
        }
    }
}
