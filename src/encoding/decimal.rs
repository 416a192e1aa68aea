//! Correctly rounded decimals: the digits of `printf("%.{D-1}e")`, with nothing but float64 arithmetic that a tensor library
//! can repeat bit for bit.
//!
//! `|x| · 10^-s` is rounded to an integer of D digits. One multiplication or division is exact to 2^-51, which decides
//! almost every rounding; near a tie, the sign of the exact residual does. For that, powers beyond 10^22, which are no
//! doubles, have a second part. The same steps in tensors are `inference/codec.py`.

use super::powers::{POWERS, POWERS_BELOW_ONE};

/// ± mantissa × 10^exponent; the mantissa has all its digits, or is zero with exponent zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    pub negative: bool,
    pub mantissa: u32,
    pub exponent: i32,
}

/// What happens to a value that lies half-way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// To the even mantissa, as `printf` does.
    Even,
    /// To the larger magnitude, as `int(x + 0.5)` does.
    Up,
}

/// Exponents of the table of powers: values beyond it are zero or out of range in every encoding.
pub const LARGEST_POWER: i32 = 110;

/// Magnitudes below are zero in every encoding, and scaling them would leave the table.
const SMALLEST: f64 = 1e-104;

/// Powers of ten that round up to a digit more.
const TEN_TO: [u32; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

/// 10^exponent as the nearest double, for exponents up to ±110.
#[inline(always)]
pub fn power(exponent: i32) -> f64 {
    // An index of a byte is within the table: no test is needed.
    POWERS[usize::from((exponent + POWERS_BELOW_ONE) as u8)]
}

/// `10^exponent - power(exponent)` as the nearest double, for exponents from 0 to 110: nothing up to 22.
pub fn power_rest(exponent: i32) -> f64 {
    let nearest = power(exponent);
    if exponent <= 22 {
        return 0.0;
    }
    // Both are integers: their difference is taken from the decimal digits of the nearest double.
    let digits = format!("{nearest:.0}");
    let number = |digits: &str| digits.parse().unwrap_or(f64::NAN);
    match digits.strip_prefix('1') {
        Some(above) if digits.len() > exponent as usize => 0.0 - number(above),
        _ => {
            let nines: String = digits.bytes().map(|digit| char::from(b'0' + b'9' - digit)).collect();
            number(&nines) + 1.0
        }
    }
}

/// The largest `k` with `power(k) ≤ magnitude`, for magnitudes from 1e-104 to below 1e110.
#[inline(always)]
fn decimal_exponent(magnitude: f64) -> i32 {
    // 78913 / 2^18 is log10(2), close enough for the floor of its product with every binary exponent.
    let binary = (magnitude.to_bits() >> 52) as i32 - 1023;
    let estimate = (binary * 78913) >> 18;
    estimate + i32::from(magnitude >= power(estimate + 1))
}

/// Nearer to a half than this, a product below 10^9 with a relative error of 2^-51 may be on the other side.
const NEAR_TIE: f64 = 1e-6;

/// 2^52: added to a smaller number, it leaves the nearest integer in the last bits.
const INTEGERS: f64 = 4_503_599_627_370_496.0;

/// The integer nearest to `magnitude × 10^shift`, below 10^9.
#[inline(always)]
fn scaled(magnitude: f64, shift: i32, ties: Ties) -> u32 {
    let product = if shift >= 0 {
        magnitude * power(shift)
    } else {
        magnitude / power(-shift)
    };
    let shifted = product + INTEGERS;
    if (product - (shifted - INTEGERS)).abs() < 0.5 - NEAR_TIE {
        shifted.to_bits() as u32
    } else {
        near_tie(magnitude, shift, product as u32, ties)
    }
}

/// The one of `below` and `below + 1` that is nearest to `magnitude × 10^shift`, which is about half-way.
#[cold]
fn near_tie(magnitude: f64, shift: i32, below: u32, ties: Ties) -> u32 {
    let residual = residual(magnitude, shift, f64::from(below) + 0.5);
    let up = residual > 0.0 || (residual == 0.0 && (ties == Ties::Up || below % 2 == 1));
    below + u32::from(up)
}

/// A mantissa that was rounded up to a digit more, and its exponent; seldom, so that others need not wait for a division.
#[cold]
fn carried(mantissa: u32, exponent: i32) -> (u32, i32) {
    (mantissa / 10, exponent + 1)
}

/// A number with the sign of `magnitude × 10^shift - tie`, where the two are near.
fn residual(magnitude: f64, shift: i32, tie: f64) -> f64 {
    let factor = if shift >= 0 { magnitude } else { tie };
    let (power, rest) = (power(shift.abs()), power_rest(shift.abs()));
    let product = factor * power;
    let lost = factor.mul_add(power, -product) + factor * rest;
    // The difference of near numbers is exact (Sterbenz).
    if shift >= 0 {
        (product - tie) + lost
    } else {
        (magnitude - product) - lost
    }
}

impl Decimal {
    pub(super) const ZERO: Self = Self {
        negative: false,
        mantissa: 0,
        exponent: 0,
    };

    /// Rounds a value of a magnitude below 1e110 to `digits` ≤ 5 significant digits. Below 10^`floor` the unit of the last
    /// digit stays that of 10^`floor` (fixed point).
    #[inline(always)]
    pub fn round(value: f64, digits: u32, floor: i32, ties: Ties) -> Self {
        let magnitude = value.abs();
        if magnitude < SMALLEST {
            return Self::ZERO;
        }
        let last = decimal_exponent(magnitude).max(floor) + 1 - digits as i32;
        match Self::multiple(value, digits, last, ties) {
            Self { mantissa: 0, .. } => Self::ZERO,
            decimal => decimal,
        }
    }

    /// Rounds a value of a magnitude from 1e-104 to below 1e110 to `digits` ≤ 5 significant digits, ties to even. Inlined,
    /// because results that go through memory are waited for.
    #[inline(always)]
    pub(super) fn of_ordinary(value: f64, digits: u32) -> Self {
        let last = decimal_exponent(value.abs()) + 1 - digits as i32;
        Self::multiple(value, digits, last, Ties::Even)
    }

    /// The nearest multiple of 10^`last`, of at most `digits` digits when it is rounded down.
    #[inline(always)]
    fn multiple(value: f64, digits: u32, last: i32, ties: Ties) -> Self {
        let (mantissa, negative) = (scaled(value.abs(), -last, ties), value.is_sign_negative());
        let (mantissa, exponent) = if mantissa == TEN_TO[digits as usize] {
            carried(mantissa, last)
        } else {
            (mantissa, last)
        };
        Self {
            negative,
            mantissa,
            exponent,
        }
    }

    /// mantissa × 10^exponent or mantissa / 10^-exponent: the nearest double while the exponent is within ±22, and
    /// everywhere one that rounds to this decimal again.
    #[inline]
    pub fn value(self) -> f64 {
        let mantissa = f64::from(self.mantissa);
        let magnitude = if self.exponent < 0 {
            mantissa / power(-self.exponent)
        } else {
            mantissa * power(self.exponent)
        };
        // Signs are random: their bit costs less than a branch.
        f64::from_bits(magnitude.to_bits() | u64::from(self.negative) << 63)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};

    /// No fixed point.
    const FREE: i32 = -LARGEST_POWER;

    fn printed(value: f64, digits: u32) -> Decimal {
        let places = digits - 1;
        let text = format!("{:.*e}", places as usize, value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap();
        Decimal {
            negative: value < 0.0,
            mantissa: mantissa.replace('.', "").parse().unwrap(),
            exponent: exponent.parse::<i32>().unwrap() - places as i32,
        }
    }

    fn agree(value: f64, digits: u32) {
        assert_eq!(
            Decimal::round(value, digits, FREE, Ties::Even),
            printed(value, digits),
            "{value:e}, {digits} digits"
        );
    }

    fn generator(seed: u64) -> crate::matrix::Generator {
        crate::matrix::Generator::seed_from_u64(seed)
    }

    #[test]
    fn millions_of_random_magnitudes_round_as_printed() {
        let mut generator = generator(1);
        for _ in 0..1_500_000 {
            agree(
                10f64.powf(generator.random_range(-20.0..20.0)),
                generator.random_range(2..=5),
            );
        }
        for _ in 0..300_000 {
            agree(
                -10f64.powf(generator.random_range(-104.0..109.9)),
                generator.random_range(2..=5),
            );
        }
    }

    #[test]
    fn ties_and_their_neighbors_round_as_printed() {
        let mut generator = generator(2);
        for digits in 2..=5 {
            for _ in 0..50_000 {
                let whole = generator.random_range(10u32.pow(digits - 1)..10u32.pow(digits));
                let exponent = generator.random_range(-100..=100);
                // The double nearest to a tie is a tie itself only where the power is small.
                let tie: f64 = format!("{whole}.5e{exponent}").parse().unwrap();
                for value in [tie, tie.next_up(), tie.next_down()] {
                    agree(value, digits);
                }
            }
        }
    }

    #[test]
    fn powers_of_ten_and_their_neighbors_round_as_printed() {
        for exponent in -103..110 {
            let power = power(exponent);
            for value in [power, power.next_up(), power.next_down()] {
                for digits in 2..=5 {
                    agree(value, digits);
                }
            }
        }
    }

    #[test]
    fn every_small_magnitude_rounds_without_leaving_the_table() {
        for exponent in 100..324 {
            for digits in 2..=5 {
                let value: f64 = format!("2e-{exponent}").parse().unwrap();
                let decimal = Decimal::round(value, digits, FREE, Ties::Even);
                assert!(
                    decimal == Decimal::ZERO && exponent >= 104 || decimal == printed(value, digits),
                    "{value:e}"
                );
                assert_eq!(Decimal::round(value, digits, -7, Ties::Up), Decimal::ZERO);
            }
        }
    }

    #[test]
    fn two_parts_of_a_power_are_exact_to_twice_the_digits() {
        assert_eq!((power(22), power_rest(22)), (1e22, 0.0));
        // 10^23 = 99999999999999991611392 + 8388608
        assert_eq!(power_rest(23), 8_388_608.0);
        // 10^25 = 10000000000000000905969664 - 905969664
        assert_eq!(power_rest(25), -905_969_664.0);
        assert_eq!(power_rest(110), -2.3569367514170256e93);
    }

    #[test]
    fn exact_ties_go_to_even_or_up() {
        let round = |value, ties| Decimal::round(value, 3, FREE, ties).mantissa;
        assert_eq!((round(100.5, Ties::Even), round(100.5, Ties::Up)), (100, 101));
        assert_eq!((round(101.5, Ties::Even), round(101.5, Ties::Up)), (102, 102));
        assert_eq!((round(100_250.0, Ties::Even), round(100_250.0, Ties::Up)), (100, 100));
        assert_eq!((round(998_500.0, Ties::Even), round(998_500.0, Ties::Up)), (998, 999));
        assert_eq!(
            (round(9.995, Ties::Even), round(9.995, Ties::Up)),
            (999, 999),
            "the double is below the tie"
        );
        assert_eq!(
            Decimal::round(999.5, 3, FREE, Ties::Even),
            Decimal {
                negative: false,
                mantissa: 100,
                exponent: 1
            }
        );
    }

    #[test]
    fn fixed_point_keeps_the_unit_of_its_floor() {
        let round = |value| Decimal::round(value, 3, -7, Ties::Up);
        assert_eq!(
            round(1e-9),
            Decimal {
                negative: false,
                mantissa: 1,
                exponent: -9
            }
        );
        assert_eq!(
            round(-1.2345e-7),
            Decimal {
                negative: true,
                mantissa: 123,
                exponent: -9
            }
        );
        assert_eq!(round(4e-10), Decimal::ZERO);
    }

    proptest! {
        #[test]
        fn a_value_rounds_to_its_decimal_again(
            mantissa in 100u32..1000, exponent in -100i32..=100, negative: bool, more in 0u32..3,
        ) {
            let decimal = Decimal { negative, mantissa: mantissa * 10u32.pow(more), exponent };
            prop_assert_eq!(Decimal::round(decimal.value(), 3 + more, FREE, Ties::Even), decimal);
        }

        #[test]
        fn values_with_exact_powers_are_as_parsed(mantissa in 10u32..100_000, exponent in -22i32..=22) {
            let decimal = Decimal { negative: false, mantissa, exponent };
            prop_assert_eq!(decimal.value(), format!("{mantissa}e{exponent}").parse::<f64>().unwrap());
        }
    }
}
