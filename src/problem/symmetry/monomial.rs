//! Permutations with factors.

#[cfg(test)]
use crate::matrix::Generator;
#[cfg(test)]
use rand::RngExt;
use std::cmp::Ordering;

/// A monomial matrix: moves entry `i` to `places[i]`, times `factors[i]`, which are signs where nothing is scaled.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Monomial {
    pub places: Vec<usize>,
    pub factors: Vec<f64>,
}

impl Monomial {
    #[cfg(test)]
    pub fn draw(length: usize, generator: &mut Generator) -> Self {
        let mut drawn = Self::default();
        drawn.reset(length);
        for i in (1..length).rev() {
            drawn.places.swap(i, generator.random_range(0..=i));
        }
        drawn
            .factors
            .iter_mut()
            .for_each(|sign| *sign = if generator.random() { 1.0 } else { -1.0 });
        drawn
    }

    /// Becomes the identity, in the memory that there is.
    pub fn reset(&mut self, length: usize) {
        self.sort(length, |_| 0.0);
    }

    /// Becomes what puts entries in descending order of a key; equal ones stay in their order.
    pub fn sort(&mut self, length: usize, key: impl Fn(usize) -> f64) {
        let is_before = |j, i| match key(j).total_cmp(&key(i)) {
            Ordering::Greater => true,
            Ordering::Equal => j < i,
            Ordering::Less => false,
        };
        self.places.clear();
        self.places
            .extend((0..length).map(|i| (0..length).filter(|&j| is_before(j, i)).count()));
        self.factors.clear();
        self.factors.resize(length, 1.0);
    }

    /// Changes the signs of negative entries.
    pub fn make_positive(&mut self, entry: impl Fn(usize) -> f64) {
        for (i, factor) in self.factors.iter_mut().enumerate() {
            if entry(i) < 0.0 {
                *factor = -*factor;
            }
        }
    }

    pub fn scale(&mut self, by: &[f64]) {
        self.factors.iter_mut().zip(by).for_each(|(factor, by)| *factor *= by);
    }

    /// The entry that comes first.
    pub fn first(&self) -> usize {
        self.places.iter().position(|&place| place == 0).unwrap_or(0)
    }
}
