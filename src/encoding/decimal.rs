//! Correctly rounded decimals: the digits of `printf("%.{D-1}e")`, from float64 arithmetic that a tensor library can
//! repeat bit for bit.
//!
//! `|x| · 10^-s` is rounded to an integer of D digits. One multiplication or division has a relative error of at most
//! 2^-51, which decides almost every rounding. Near a tie, the sign of the exact residual decides. Powers beyond 10^22
//! are not doubles, so they have a second part for that residual. `inference/codec.py` has the same steps for tensors.

use super::powers::{POWERS, POWERS_BELOW_ONE};

/// The number ± mantissa × 10^exponent. The mantissa has all digits, or is zero with exponent zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    pub negative: bool,
    pub mantissa: u32,
    pub exponent: i32,
}

/// The rounding of values half-way between two decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// To the even mantissa, as `printf` does.
    Even,
    /// To the larger magnitude, as `int(x + 0.5)` does.
    Up,
}

/// Largest exponent in the table of powers. In every encoding, larger values are out of range and smaller ones are
/// zero.
pub const LARGEST_POWER: i32 = 110;

/// Smaller magnitudes are zero in every encoding; scaling them would need powers beyond the table.
const SMALLEST: f64 = 1e-104;

/// 10^digits: a mantissa that rounds up to it has one digit too many.
const TEN_TO: [u32; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

/// The double nearest to 10^exponent, for exponents from -110 to 110.
#[inline(always)]
pub fn power(exponent: i32) -> f64 {
    // The table has an entry for every byte, so the compiler omits the bounds check.
    POWERS[usize::from((exponent + POWERS_BELOW_ONE) as u8)]
}

/// The double nearest to `10^exponent - power(exponent)`, for exponents from 0 to 110. It is 0 up to 22.
pub fn power_rest(exponent: i32) -> f64 {
    let nearest = power(exponent);
    if exponent <= 22 {
        return 0.0;
    }
    // Both powers are integers, so the decimal digits of the double give their difference exactly.
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

/// The largest `k` with `power(k) ≤ magnitude`, for magnitudes in [1e-104, 1e110).
#[inline(always)]
fn decimal_exponent(magnitude: f64) -> i32 {
    // log10(2) ≈ 78913 / 2^18, precise enough for the floor at every binary exponent.
    let binary = (magnitude.to_bits() >> 52) as i32 - 1023;
    let estimate = (binary * 78913) >> 18;
    estimate + i32::from(magnitude >= power(estimate + 1))
}

/// Exceeds the error of a product below 10^9 with relative error 2^-51. A product that is closer to a half-integer may
/// lie on the wrong side of it.
const NEAR_TIE: f64 = 1e-6;

/// 2^52. If a smaller number is added, the last bits of the sum are the nearest integer.
const INTEGER_SHIFT: f64 = 4_503_599_627_370_496.0;

/// The integer nearest to `magnitude × 10^shift`, below 10^9.
#[inline(always)]
fn scaled(magnitude: f64, shift: i32, ties: Ties) -> u32 {
    let product = if shift >= 0 {
        magnitude * power(shift)
    } else {
        magnitude / power(-shift)
    };
    let shifted = product + INTEGER_SHIFT;
    if (product - (shifted - INTEGER_SHIFT)).abs() < 0.5 - NEAR_TIE {
        shifted.to_bits() as u32
    } else {
        near_tie(magnitude, shift, product as u32, ties)
    }
}

/// Rounds `magnitude × 10^shift`, which is nearly half-way between `below` and `below + 1`.
#[cold]
fn near_tie(magnitude: f64, shift: i32, below: u32, ties: Ties) -> u32 {
    let residual = residual(magnitude, shift, f64::from(below) + 0.5);
    let up = residual > 0.0 || (residual == 0.0 && (ties == Ties::Up || below % 2 == 1));
    below + u32::from(up)
}

/// Removes the extra digit of a mantissa that was rounded up. The function is cold, because the division would slow
/// down the common case.
#[cold]
fn carried(mantissa: u32, exponent: i32) -> (u32, i32) {
    (mantissa / 10, exponent + 1)
}

/// A number with the sign of `magnitude × 10^shift - tie`. The two numbers must be close.
fn residual(magnitude: f64, shift: i32, tie: f64) -> f64 {
    let factor = if shift >= 0 { magnitude } else { tie };
    let (power, rest) = (power(shift.abs()), power_rest(shift.abs()));
    let product = factor * power;
    let lost = factor.mul_add(power, -product) + factor * rest;
    // The difference of close numbers is exact (Sterbenz's lemma).
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

    /// Rounds a value with magnitude below 1e110 to `digits` ≤ 5 significant digits. Below 10^`floor`, the last digit
    /// keeps the unit that it has at 10^`floor` (fixed point).
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

    /// Rounds a value with magnitude in [1e-104, 1e110) to `digits` ≤ 5 significant digits, ties to even. Inlining
    /// keeps the result in registers, which is faster.
    #[inline(always)]
    pub(super) fn of_ordinary(value: f64, digits: u32) -> Self {
        let last = decimal_exponent(value.abs()) + 1 - digits as i32;
        Self::multiple(value, digits, last, Ties::Even)
    }

    /// Rounds to the nearest multiple of 10^`last`, which rounded down must have at most `digits` digits.
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

    /// The value as mantissa × 10^exponent or mantissa / 10^-exponent. It is the nearest double for exponents within
    /// ±22; for others it is a double that rounds to this decimal again.
    #[inline]
    pub fn value(self) -> f64 {
        let mantissa = f64::from(self.mantissa);
        let magnitude = if self.exponent < 0 {
            mantissa / power(-self.exponent)
        } else {
            mantissa * power(self.exponent)
        };
        // Signs are random, so a bit operation is faster than a branch.
        f64::from_bits(magnitude.to_bits() | u64::from(self.negative) << 63)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};

    /// A floor so low that no test value is in fixed point.
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
                // The double nearest to a tie is itself a tie only if the power is small.
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
    fn powers_beyond_doubles_have_an_exact_second_part() {
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
    fn values_below_the_floor_keep_its_unit() {
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
