//! Addresses of draws: every example is a pure function of its address.

use super::{Generator, name::named_by_text};

/// The use of an example. Each seed has one stream of random examples per split, and these streams are disjoint.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, strum::EnumCount, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Split {
    Train,
    Validation,
    Test,
}

named_by_text!(Split, "split");

/// Seed, split and index of one draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub seed: u64,
    pub split: Split,
    pub index: u64,
}

impl Address {
    /// A new random generator for this address. `domain`, a [`fingerprint`], names the quantity that is drawn.
    ///
    /// A bijective mixer is applied to each part of the key before the next part is added. Addresses that differ in any
    /// part therefore have unrelated generators.
    pub fn generator(&self, domain: u64) -> Generator {
        let split = match self.split {
            Split::Train => 0x7472_6169,
            Split::Validation => 0x7661_6c69,
            Split::Test => 0x7465_7374,
        };
        let key = mix(mix(mix(self.seed).wrapping_add(split)).wrapping_add(domain)).wrapping_add(self.index);
        let [a, b, c, d] = [1, 2, 3, 4].map(|i: u64| mix(key.wrapping_add(i.wrapping_mul(GOLDEN_GAMMA))));
        Generator::new(wide(a, b), wide(c, d))
    }
}

#[cfg(test)]
pub(super) fn test_generator(seed: u64, index: u64) -> Generator {
    let split = Split::Train;
    Address { seed, split, index }.generator(0)
}

const fn wide(high: u64, low: u64) -> u128 {
    (high as u128) << 64 | low as u128
}

/// The increment of SplitMix64: 2^64 divided by the golden ratio, made odd.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*, OOPSLA 2014) with
/// the constants of Stafford's variant 13. Adding the increment first keeps zero from being a fixed point.
pub(crate) const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(GOLDEN_GAMMA);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The 64-bit FNV-1a hash of a text. It is the same on all machines and in all versions.
pub const fn fingerprint(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::Rng;

    use super::*;

    #[test]
    fn fingerprints_are_those_of_fnv_1a() {
        assert_eq!(fingerprint(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fingerprint("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn an_address_always_gives_the_same_draws() {
        // Pinned values, because data sets must not change when a library is updated.
        let address = Address {
            seed: 1,
            split: Split::Test,
            index: 7,
        };
        let mut generator = address.generator(fingerprint("eigenvalues"));
        assert_eq!(
            [generator.next_u64(), generator.next_u64()],
            [8_135_955_095_867_452_868, 3_710_195_215_036_052_788]
        );
    }

    #[test]
    fn every_part_of_the_address_changes_the_draws() {
        let mut seen = HashSet::new();
        for seed in [0, 1, 2, u64::MAX] {
            for split in Split::ALL {
                for index in (0..1000).chain([u64::MAX]) {
                    for domain in [0, 1, fingerprint("x")] {
                        assert!(seen.insert(Address { seed, split, index }.generator(domain).next_u64()));
                    }
                }
            }
        }
    }

    #[test]
    fn neighboring_indices_are_uncorrelated() {
        let bits: u32 = (0..10_000)
            .map(|index| {
                let draw = |index| {
                    Address {
                        seed: 0,
                        split: Split::Train,
                        index,
                    }
                    .generator(0)
                    .next_u64()
                };
                (draw(index) ^ draw(index + 1)).count_ones()
            })
            .sum();
        // The count of 640,000 unbiased bits has standard deviation 400.
        assert!((f64::from(bits) - 320_000.0).abs() < 2_000.0, "{bits}");
    }

    #[test]
    fn splits_are_written_in_lower_case() {
        assert_eq!("validation".parse(), Ok(Split::Validation));
        assert_eq!(serde_json::to_string(&Split::Train).unwrap(), r#""train""#);
        assert!(
            "valid"
                .parse::<Split>()
                .unwrap_err()
                .to_string()
                .contains("did you mean `validation`?")
        );
    }
}
