//! Correctly rounded decimals, with nothing but float64 arithmetic that a tensor library can repeat bit for bit.
//!
//! `|x| · 10^-s` is rounded to an integer of D digits. The product or quotient is a double whose error is known exactly
//! (by a fused multiply-add here, by Dekker's splitting in TorchScript); on a tie its sign decides. Powers up to 10^22 are
//! exact doubles, so within them the result is that of `printf("%.{D-1}e")`; farther out the nearest double stands for
//! the power, on both sides alike.

use std::sync::LazyLock;

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

/// Magnitudes below 10^SMALLEST are zero in every encoding.
const SMALLEST: i32 = -104;

static POWERS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let parse = |exponent| format!("1e{exponent}").parse().expect("a power of ten is a number");
    (-LARGEST_POWER..=LARGEST_POWER).map(parse).collect()
});

/// The powers of ten from 10^-110 to 10^110, each the nearest double.
pub fn powers() -> &'static [f64] {
    &POWERS
}

/// 10^exponent as the nearest double, for exponents up to ±110.
pub fn power(exponent: i32) -> f64 {
    POWERS[(exponent + LARGEST_POWER) as usize]
}

/// The largest `k` with 10^k ≤ `magnitude`, for magnitudes from 1e-110 to below 1e110.
fn decimal_exponent(magnitude: f64) -> i32 {
    // log10(2) from below, so that the estimate is right or one too small.
    let binary = (magnitude.to_bits() >> 52) as i32 - 1023;
    let estimate = (binary * 1233) >> 12;
    if estimate < LARGEST_POWER && magnitude >= power(estimate + 1) { estimate + 1 } else { estimate }
}

impl Decimal {
    const ZERO: Self = Self { negative: false, mantissa: 0, exponent: 0 };

    /// Rounds a finite value of a magnitude below 1e110 to `digits` significant digits. Below 10^`floor` the unit of the
    /// last digit stays that of 10^`floor` (fixed point).
    pub fn round(value: f64, digits: u32, floor: i32, ties: Ties) -> Self {
        let magnitude = value.abs();
        // No encoding writes numbers so small, and scaling them would leave the table.
        if magnitude < power(SMALLEST) {
            return Self::ZERO;
        }
        let places = digits as i32 - 1;
        let leading = decimal_exponent(magnitude).max(floor);
        let scale = leading - places;
        // The scaled magnitude, and the sign of what rounding it to a double has lost.
        let (scaled, lost) = if scale <= 0 {
            let power = power(-scale);
            let product = magnitude * power;
            (product, magnitude.mul_add(power, -product))
        } else {
            let power = power(scale);
            let quotient = magnitude / power;
            (quotient, quotient.mul_add(-power, magnitude))
        };
        let below = scaled.floor();
        let rest = scaled - below;
        let odd = below % 2.0 == 1.0;
        let up = rest > 0.5 || (rest == 0.5 && (lost > 0.0 || (lost == 0.0 && (ties == Ties::Up || odd))));
        let mantissa = below as u32 + u32::from(up);
        if mantissa == 0 {
            return Self::ZERO;
        }
        let negative = value < 0.0;
        if mantissa == 10u32.pow(digits) {
            Self { negative, mantissa: mantissa / 10, exponent: scale + 1 }
        } else {
            Self { negative, mantissa, exponent: scale }
        }
    }

    /// The nearest double, while the exponent is within ±22.
    pub fn value(self) -> f64 {
        let mantissa = f64::from(self.mantissa);
        let magnitude =
            if self.exponent < 0 { mantissa / power(-self.exponent) } else { mantissa * power(self.exponent) };
        if self.negative { -magnitude } else { magnitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// No fixed point.
    const FREE: i32 = -LARGEST_POWER;

    fn printed(value: f64, digits: usize) -> (u32, i32) {
        let text = format!("{:.*e}", digits - 1, value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap();
        let exponent = exponent.parse::<i32>().unwrap() - (digits as i32 - 1);
        (mantissa.replace('.', "").parse().unwrap(), exponent)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200_000))]

        #[test]
        fn rounding_is_that_of_printing(mantissa in 1.0..10.0f64, exponent in -19..19i32, digits in 2..=5u32) {
            let value: f64 = format!("{mantissa:e}").parse::<f64>().unwrap() * 10f64.powi(exponent);
            let decimal = Decimal::round(value, digits, FREE, Ties::Even);
            prop_assert_eq!((decimal.mantissa, decimal.exponent), printed(value, digits as usize));
        }

        #[test]
        fn decimal_ties_are_decided_by_the_exact_binary_value(mantissa in 100..1000u32, exponent in -17..17i32) {
            // 3.145e7 and the like, and their neighbors.
            let tie: f64 = format!("{}5e{exponent}", mantissa).parse().unwrap();
            for value in [tie, f64::from_bits(tie.to_bits() + 1), f64::from_bits(tie.to_bits() - 1)] {
                let decimal = Decimal::round(value, 3, FREE, Ties::Even);
                prop_assert_eq!((decimal.mantissa, decimal.exponent), printed(value, 3));
            }
        }

        #[test]
        fn a_rounded_value_rounds_to_itself(bits in any::<u64>(), digits in 2..=5u32) {
            let value = f64::from_bits(bits);
            if value.abs() < 1e105 {
                let once = Decimal::round(value, digits, FREE, Ties::Even);
                prop_assert_eq!(Decimal::round(once.value(), digits, FREE, Ties::Even), once);
            }
        }
    }

    #[test]
    fn exponents_of_powers_of_ten_and_their_neighbors() {
        for exponent in -108..108 {
            let value = power(exponent);
            assert_eq!(decimal_exponent(value), exponent);
            assert_eq!(decimal_exponent(f64::from_bits(value.to_bits() - 1)), exponent - 1);
        }
    }

    #[test]
    fn exact_ties_go_to_even_or_up() {
        let round = |value, ties| Decimal::round(value, 3, FREE, ties).mantissa;
        assert_eq!((round(100.5, Ties::Even), round(100.5, Ties::Up)), (100, 101));
        assert_eq!((round(101.5, Ties::Even), round(101.5, Ties::Up)), (102, 102));
        // 2^-2 + 10^6: 1000000.25 has seven digits before its quarter.
        assert_eq!(Decimal::round(999.5, 3, FREE, Ties::Even), Decimal { negative: false, mantissa: 100, exponent: 1 });
    }

    #[test]
    fn fixed_point_keeps_the_unit_of_its_floor() {
        let round = |value| Decimal::round(value, 3, -7, Ties::Up);
        assert_eq!(round(1e-9), Decimal { negative: false, mantissa: 1, exponent: -9 });
        assert_eq!(round(-1.2345e-7), Decimal { negative: true, mantissa: 123, exponent: -9 });
        assert_eq!(round(4e-10), Decimal::ZERO);
    }
}
