//! FP15: one token for the whole number, with 16 exponents and fixed point below the smallest.

use super::decimal::{Decimal, Ties};
use super::{Encoding, Field, OutOfRange, Part};
use std::sync::OnceLock;

/// Exponent tokens e0 … e15.
const EXPONENTS: u32 = 16;
/// The smallest number with all digits is 10^-7. Below it, the last digit keeps its unit.
const FLOOR: i32 = -7;

#[derive(Debug)]
pub struct Fp15 {
    digits: u32,
    /// Created at first use, because five digits have millions of words, and rounding needs none.
    words: OnceLock<Vec<String>>,
    fields: [Field; 1],
    limit: String,
}

impl Fp15 {
    pub fn new(digits: u32) -> Self {
        let magnitudes = Self::magnitudes(digits);
        let fields = [Field {
            name: "number".into(),
            part: Part::Float,
            words: 0..2 * magnitudes as usize + 1,
        }];
        Self {
            digits,
            words: OnceLock::new(),
            fields,
            limit: "magnitudes below 1e9 are allowed".into(),
        }
    }

    /// The number of positive numbers: 10^d - 1 with e0, which include fixed point, and 9·10^(d-1) for each other
    /// exponent.
    fn magnitudes(digits: u32) -> u32 {
        10u32.pow(digits) - 1 + (EXPONENTS - 1) * 9 * 10u32.pow(digits - 1)
    }

    /// Mantissa and exponent token of the magnitude with this index, counted from zero.
    fn magnitude(digits: u32, class: u32) -> (u32, u32) {
        let (fixed, each) = (10u32.pow(digits), 9 * 10u32.pow(digits - 1));
        match class.checked_sub(fixed) {
            None => (class, 0),
            Some(above) => (above % each + each / 9, above / each + 1),
        }
    }
}

impl Encoding for Fp15 {
    fn name(&self) -> &'static str {
        "FP15"
    }

    fn digits(&self) -> u32 {
        self.digits
    }

    fn words(&self) -> &[String] {
        self.words.get_or_init(|| {
            let magnitudes = Self::magnitudes(self.digits);
            let word = |sign: &str, class| {
                let (mantissa, exponent) = Self::magnitude(self.digits, class);
                format!("N{sign}{mantissa}e{exponent}")
            };
            (0..=magnitudes)
                .map(|class| word("", class))
                .chain((1..=magnitudes).map(|class| word("-", class)))
                .collect()
        })
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn prediction_order(&self) -> &[usize] {
        &[0]
    }

    #[inline(always)]
    fn encode(&self, value: f64, classes: &mut [u32]) -> Result<(), OutOfRange> {
        let too_large = || OutOfRange {
            value,
            encoding: "FP15".into(),
            limit: self.limit.clone(),
        };
        if value.is_nan() || value.abs() >= 1e10 {
            return Err(too_large());
        }
        let decimal = Decimal::round(value, self.digits, FLOOR, Ties::Up);
        let lowest = FLOOR - (self.digits as i32 - 1);
        let exponent = if decimal.mantissa == 0 {
            0
        } else {
            (decimal.exponent - lowest) as u32
        };
        if exponent >= EXPONENTS {
            return Err(too_large());
        }
        let (fixed, each) = (10u32.pow(self.digits), 9 * 10u32.pow(self.digits - 1));
        let magnitude = match exponent {
            0 => decimal.mantissa,
            exponent => fixed + (exponent - 1) * each + decimal.mantissa - each / 9,
        };
        classes[0] = if decimal.negative {
            Self::magnitudes(self.digits) + magnitude
        } else {
            magnitude
        };
        Ok(())
    }

    fn reach(&self) -> f64 {
        9e8
    }

    fn decode(&self, classes: &[u32]) -> f64 {
        let magnitudes = Self::magnitudes(self.digits);
        let negative = classes[0] > magnitudes;
        let class = if negative { classes[0] - magnitudes } else { classes[0] };
        let (mantissa, exponent) = Self::magnitude(self.digits, class);
        let exponent = exponent as i32 + FLOOR - (self.digits as i32 - 1);
        Decimal {
            negative,
            mantissa,
            exponent,
        }
        .value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_all_numbers_of_three_digits_and_sixteen_exponents() {
        let fp15 = Fp15::new(3);
        let words = fp15.words();
        // Zero, and of each sign 999 mantissas with e0, and 900 with each of e1 to e15.
        assert_eq!(words.len(), 1 + 2 * (999 + 15 * 900));
        for (class, word) in [
            (0, "N0e0"),
            (1, "N1e0"),
            (999, "N999e0"),
            (1000, "N100e1"),
            (14_499, "N999e15"),
        ] {
            assert_eq!(words[class], word);
        }
        assert_eq!(words[14_500], "N-1e0");
        assert_eq!(words.last().unwrap(), "N-999e15");
    }
}
