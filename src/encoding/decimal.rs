//! Correctly rounded decimals: the digits that `format!("{:.2e}")` prints, without printing.
//!
//! A number is scaled by a power of ten to an integer part of the wanted digits. One multiplication or division does
//! that with a relative error below 2^-51, which decides almost every rounding; near a tie, the sign of the exact
//! residual decides. The same steps, in tensors of float64, are `torchscript/codec.py`: both give the same bits.

use std::sync::LazyLock;

/// `± mantissa × 10^exponent`, the mantissa with all its digits (leading digit not 0), or a positive zero `0 × 10^0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    pub negative: bool,
    pub mantissa: u64,
    pub exponent: i32,
}

/// Where a number halfway between two integers is rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ties {
    ToEven,
    Up,
}

impl Decimal {
    pub const ZERO: Self = Self {
        negative: false,
        mantissa: 0,
        exponent: 0,
    };

    /// Digits for which one product is exact enough to know whether a number is near a tie.
    pub const MAX_DIGITS: u32 = 9;

    /// The nearest decimal of `digits` significant digits, ties of the exact binary value to even; none for NaN and
    /// infinities. `digits` is taken within 1..=[`Self::MAX_DIGITS`].
    #[inline]
    pub fn round(value: f64, digits: u32) -> Option<Self> {
        let digits = digits.clamp(1, Self::MAX_DIGITS);
        let magnitude = value.abs();
        if !(TABULATED.0..TABULATED.1).contains(&magnitude) {
            return Self::round_extreme(value, digits);
        }
        let leading = decimal_exponent(magnitude);
        let last = leading + 1 - digits as i32;
        let mantissa = scaled(magnitude, -last, Ties::ToEven);
        let limit = 10u64.pow(digits);
        let (mantissa, exponent) = if mantissa < limit {
            (mantissa, last)
        } else {
            (limit / 10, last + 1)
        };
        Some(Self {
            negative: value < 0.0,
            mantissa,
            exponent,
        })
    }

    /// Zeros, numbers that are not finite, and those beyond the table.
    #[cold]
    fn round_extreme(value: f64, digits: u32) -> Option<Self> {
        if value == 0.0 {
            return Some(Self::ZERO);
        }
        if !value.is_finite() {
            return None;
        }
        let text = format!("{:.*e}", digits as usize - 1, value.abs());
        let (mantissa, exponent) = text.split_once('e')?;
        let mantissa = mantissa.replace('.', "").parse().ok()?;
        let exponent = exponent.parse::<i32>().ok()? + 1 - digits as i32;
        Some(Self {
            negative: value < 0.0,
            mantissa,
            exponent,
        })
    }

    /// `mantissa × 10^e` for e ≥ 0 and `mantissa / 10^-e` for e < 0: the nearest number where the power is exact
    /// (|e| ≤ 22), and everywhere one that rounds to this decimal again.
    #[inline]
    pub fn value(&self) -> f64 {
        let magnitude = shifted(self.mantissa as f64, self.exponent);
        if self.negative { -magnitude } else { magnitude }
    }
}

/// `magnitude × 10^exponent`, by one multiplication or division.
#[inline]
pub(super) fn shifted(magnitude: f64, exponent: i32) -> f64 {
    if exponent.unsigned_abs() > LARGEST as u32 {
        return parsed(&format!("{magnitude}e{exponent}"));
    }
    if exponent >= 0 {
        magnitude * POWERS.of(exponent)
    } else {
        magnitude / POWERS.of(-exponent)
    }
}

/// The exponent of the leading decimal digit of a positive normal number. One too large for the few numbers that are
/// equal to a power of ten only as float64 can tell, which rounding makes good.
#[inline]
pub(super) fn decimal_exponent(magnitude: f64) -> i32 {
    let binary = (magnitude.to_bits() >> 52) as i32 - 1023;
    // 78913 / 2^18 is log10(2), exact enough for the floor of every product with a binary exponent.
    let least = (binary * 78913) >> 18;
    least + i32::from(magnitude >= POWERS.of(least + 1))
}

/// The integer nearest to `magnitude × 10^shift`, below 10^9.
#[inline]
pub(super) fn scaled(magnitude: f64, shift: i32, ties: Ties) -> u64 {
    let product = if shift >= 0 {
        magnitude * POWERS.of(shift)
    } else {
        magnitude / POWERS.of(-shift)
    };
    let below = product as i64;
    let fraction = product - below as f64;
    let up = if (fraction - 0.5).abs() > NEAR_TIE {
        fraction > 0.5
    } else {
        let residual = residual(magnitude, shift, below as f64 + 0.5);
        residual > 0.0 || residual == 0.0 && (ties == Ties::Up || below % 2 == 1)
    };
    below as u64 + u64::from(up)
}

/// Further from a half than this, a product below 10^9 with a relative error of 2^-51 is on the side where it seems.
const NEAR_TIE: f64 = 1e-6;

/// A number with the sign of `magnitude × 10^shift - tie`, where the two are near.
#[cold]
fn residual(magnitude: f64, shift: i32, tie: f64) -> f64 {
    let (factor, [left, right]) = if shift >= 0 {
        (magnitude, [0.0, tie])
    } else {
        (tie, [magnitude, 0.0])
    };
    let power = POWERS.of(shift.abs());
    let product = factor * power;
    let rest = factor.mul_add(power, -product) + factor * POWERS.tail(shift.abs());
    // The difference of near numbers is exact (Sterbenz).
    if shift >= 0 {
        (product - right) + rest
    } else {
        (left - product) - rest
    }
}

/// The powers of ten that the table has: 10^-LARGEST to 10^LARGEST.
const LARGEST: i32 = 300;
/// Magnitudes whose scaling to [`Decimal::MAX_DIGITS`] needs no other powers.
const TABULATED: (f64, f64) = (1e-280, 1e280);

struct Powers {
    /// The float64 nearest to 10^k, at k + LARGEST.
    nearest: [f64; 2 * LARGEST as usize + 1],
    /// What is missing to 10^k, at k ≥ 0.
    tail: [f64; LARGEST as usize + 1],
}

static POWERS: LazyLock<Powers> = LazyLock::new(|| {
    let nearest = std::array::from_fn(|i| parsed(&format!("1e{}", i as i32 - LARGEST)));
    let tail = std::array::from_fn(|k| tail(k, nearest[k + LARGEST as usize]));
    Powers { nearest, tail }
});

impl Powers {
    #[inline]
    fn of(&self, exponent: i32) -> f64 {
        self.nearest[(exponent + LARGEST) as usize]
    }

    fn tail(&self, exponent: i32) -> f64 {
        self.tail[exponent as usize]
    }
}

/// `10^exponent` in two parts, the nearest float64 and the float64 nearest to the rest; for exponents 0..=300.
pub(crate) fn power_of_ten(exponent: u32) -> (f64, f64) {
    let exponent = exponent.min(LARGEST as u32) as i32;
    (POWERS.of(exponent), POWERS.tail(exponent))
}

/// `10^exponent - nearest`, from the decimal digits of `nearest`, which is an integer.
fn tail(exponent: usize, nearest: f64) -> f64 {
    let digits = format!("{nearest:.0}");
    if digits.len() > exponent {
        0.0 - parsed(&digits[1..])
    } else {
        let nines: String = digits.bytes().map(|digit| char::from(b'0' + b'9' - digit)).collect();
        parsed(&nines) + 1.0
    }
}

/// A number that this file wrote.
fn parsed(digits: &str) -> f64 {
    if digits.is_empty() {
        0.0
    } else {
        digits.parse().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};

    fn printed(value: f64, digits: u32) -> Decimal {
        if value == 0.0 {
            Decimal::ZERO
        } else {
            Decimal::round_extreme(value, digits).unwrap()
        }
    }

    fn agree(value: f64, digits: u32) {
        assert_eq!(
            Decimal::round(value, digits),
            Some(printed(value, digits)),
            "{value:e} with {digits} digits"
        );
    }

    #[test]
    fn known_numbers() {
        let decimal = |negative, mantissa, exponent| {
            Some(Decimal {
                negative,
                mantissa,
                exponent,
            })
        };
        assert_eq!(Decimal::round(3.14, 3), decimal(false, 314, -2));
        assert_eq!(Decimal::round(-6.02e23, 3), decimal(true, 602, 21));
        assert_eq!(
            Decimal::round(999.5, 3),
            decimal(false, 100, 1),
            "a tie to the even 1000"
        );
        assert_eq!(
            Decimal::round(998.5, 3),
            decimal(false, 998, 0),
            "a tie to the even 998"
        );
        assert_eq!(
            Decimal::round(9.995, 3),
            decimal(false, 999, -2),
            "the float64 is below the tie"
        );
        assert_eq!(Decimal::round(1e-9, 3), decimal(false, 100, -11));
        assert_eq!(Decimal::round(-0.0, 3), Some(Decimal::ZERO));
        assert_eq!(Decimal::round(5e-324, 3), decimal(false, 494, -326));
        assert_eq!(Decimal::round(f64::MAX, 3), decimal(false, 180, 306));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Decimal::round(value, 3), None);
        }
    }

    #[test]
    fn millions_of_random_magnitudes_round_as_printed() {
        let mut generator = crate::matrix::Generator::seed_from_u64(1);
        for _ in 0..1_500_000 {
            let magnitude = 10f64.powf(generator.random_range(-20.0..20.0));
            agree(magnitude, generator.random_range(2..=5));
        }
        for _ in 0..300_000 {
            let magnitude = 10f64.powf(generator.random_range(-307.0..307.0));
            agree(magnitude, generator.random_range(1..=Decimal::MAX_DIGITS));
        }
    }

    #[test]
    fn ties_and_their_neighbors_round_as_printed() {
        let mut generator = crate::matrix::Generator::seed_from_u64(2);
        for digits in 1..=6 {
            for _ in 0..50_000 {
                let whole = generator.random_range(10u64.pow(digits - 1)..10u64.pow(digits));
                let exponent: i32 = generator.random_range(-60..=60);
                let tie: f64 = format!("{whole}.5e{exponent}").parse().unwrap();
                for value in [tie, tie.next_up(), tie.next_down()] {
                    agree(value, digits);
                }
            }
        }
    }

    #[test]
    fn powers_of_ten_and_their_neighbors_round_as_printed() {
        for exponent in -290..290 {
            let power: f64 = format!("1e{exponent}").parse().unwrap();
            for value in [power, power.next_up(), power.next_down()] {
                for digits in 1..=Decimal::MAX_DIGITS {
                    agree(value, digits);
                }
            }
        }
    }

    #[test]
    fn halves_go_up_where_asked() {
        assert_eq!(scaled(0.5, 0, Ties::Up), 1);
        assert_eq!(scaled(2.5, 0, Ties::Up), 3);
        assert_eq!(scaled(2.5f64.next_down(), 0, Ties::Up), 2);
        assert_eq!(scaled(9.995, 2, Ties::Up), 999, "the float64 is below the tie");
        assert_eq!(scaled(100_250.0, -2, Ties::Up), 1003);
        assert_eq!(scaled(100_250.0, -2, Ties::ToEven), 1002);
    }

    #[test]
    fn two_parts_of_a_power_are_exact_to_twice_the_digits() {
        assert_eq!(power_of_ten(22), (1e22, 0.0));
        // 10^23 = 99999999999999991611392 + 8388608
        assert_eq!(power_of_ten(23), (1e23, 8388608.0));
        // 10^24 = 999999999999999983222784 + 16777216
        assert_eq!(power_of_ten(24), (1e24, 16777216.0));
        // 10^25 = 10000000000000000905969664 - 905969664
        assert_eq!(power_of_ten(25), (1e25, -905969664.0));
    }

    proptest! {
        #[test]
        fn every_finite_number_rounds_as_printed(bits in any::<u64>(), digits in 1u32..=9) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(Decimal::round(value, digits), Some(printed(value, digits)));
        }

        #[test]
        fn a_value_rounds_to_its_decimal_again(
            mantissa in 100u64..1000, exponent in -330i32..300, negative: bool, more in 0u32..3,
        ) {
            let decimal = Decimal { negative, mantissa: mantissa * 10u64.pow(more), exponent };
            prop_assume!(decimal.value().is_normal());
            prop_assert_eq!(Decimal::round(decimal.value(), 3 + more), Some(decimal));
        }

        #[test]
        fn values_with_exact_powers_are_as_parsed(mantissa in 10u64..100_000, exponent in -22i32..=22) {
            let decimal = Decimal { negative: false, mantissa, exponent };
            prop_assert_eq!(decimal.value(), format!("{mantissa}e{exponent}").parse::<f64>().unwrap());
        }
    }
}
