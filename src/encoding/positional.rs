//! P10 and P1000: sign, mantissa in base 10 or 1000, exponent.

use super::decimal::Decimal;
use super::{Encoding, Field, OutOfRange, Part, exponent};

/// A positional encoding. P10 has one token per digit. P1000 groups the digits of the mantissa in threes, from the most
/// significant: three digits are one token, and a fourth one is another.
#[derive(Debug)]
pub struct Positional {
    name: &'static str,
    digits: u32,
    /// 10^(digits of the token) for each mantissa token.
    groups: Vec<u32>,
    words: Vec<String>,
    fields: Vec<Field>,
    order: Vec<usize>,
}

impl Positional {
    pub fn p10(digits: u32) -> Self {
        Self::new("P10", digits, 1)
    }

    pub fn p1000(digits: u32) -> Self {
        Self::new("P1000", digits, 3)
    }

    fn new(name: &'static str, digits: u32, group: u32) -> Self {
        let sizes = (0..digits)
            .step_by(group as usize)
            .map(|done| 10u32.pow(group.min(digits - done)));
        let groups: Vec<u32> = sizes.collect();
        let numerals = groups[0];
        let mut words = vec!["+".to_string(), "-".to_string()];
        words.extend((0..numerals).map(|numeral| numeral.to_string()));
        let exponents = exponent::words(&mut words);
        let mut fields = vec![Field {
            name: "sign".into(),
            part: Part::Sign,
            words: 0..2,
        }];
        for (i, &size) in groups.iter().enumerate() {
            let name = match (group, i) {
                (1, i) => format!("digit{}", i + 1),
                (_, 0) => "mantissa".to_string(),
                (_, i) => format!("mantissa{}", i + 1),
            };
            let words = 2..2 + size as usize;
            fields.push(Field {
                name,
                part: Part::Mantissa { leading: i == 0 },
                words,
            });
        }
        fields.push(Field {
            name: "exponent".into(),
            part: Part::Exponent,
            words: exponents,
        });
        let last = fields.len() - 1;
        let order = [0, last].into_iter().chain(1..last).collect();
        Self {
            name,
            digits,
            groups,
            words,
            fields,
            order,
        }
    }
}

impl Encoding for Positional {
    fn name(&self) -> &'static str {
        self.name
    }

    fn digits(&self) -> u32 {
        self.digits
    }

    fn words(&self) -> &[String] {
        &self.words
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn prediction_order(&self) -> &[usize] {
        &self.order
    }

    #[inline(always)]
    fn encode(&self, value: f64, classes: &mut [u32]) -> Result<(), OutOfRange> {
        let decimal = exponent::round(self.name, self.digits, value)?;
        classes[0] = u32::from(decimal.negative);
        let last = self.groups.len() + 1;
        let mut rest = decimal.mantissa;
        for (class, size) in classes[2..last].iter_mut().zip(&self.groups[1..]).rev() {
            (*class, rest) = (rest % size, rest / size);
        }
        classes[1] = rest;
        classes[last] = exponent::class(decimal.exponent);
        Ok(())
    }

    #[inline(always)]
    fn round(&self, value: f64) -> Result<f64, OutOfRange> {
        Ok(exponent::round(self.name, self.digits, value)?.value())
    }

    fn reach(&self) -> f64 {
        exponent::REACH
    }

    fn decode(&self, classes: &[u32]) -> f64 {
        let groups = classes[1..].iter().zip(&self.groups);
        let mantissa = groups.fold(0, |mantissa, (class, size)| mantissa * size + class);
        let exponent = exponent::of_class(classes[self.groups.len() + 1]);
        Decimal {
            negative: classes[0] == 1 && mantissa > 0,
            mantissa,
            exponent,
        }
        .value()
    }

    fn is_variable_length(&self) -> bool {
        self.groups[0] == 10
    }
}

#[cfg(test)]
// 3.14 is the paper's example, not an approximation of π.
#[allow(clippy::approx_constant)]
mod tests {
    use super::*;

    #[test]
    fn shares_move_a_number_within_half_a_unit_of_its_last_digit() {
        let within = |encoding: &Positional, value: f64, share: f64| {
            let mut classes = vec![0; encoding.fields().len()];
            encoding.encode(value, &mut classes).unwrap();
            encoding.decode_within(&mut classes, share)
        };
        for (encoding, value, share, expected) in [
            (Positional::p1000(3), 3.14, 0.5, 3.14),
            (Positional::p1000(3), 3.14, 0.0, 3.135),
            (Positional::p1000(3), 3.14, 0.75, 3.1425),
            (Positional::p1000(3), 9.99, 1.0, 9.995),
            (Positional::p1000(3), -602.0, 1.0, -602.5),
            (Positional::p1000(3), 0.0, 1.0, 0.0),
            (Positional::p1000(4), 3.141, 0.0, 3.1405),
            (Positional::p10(3), 0.0699, 1.0, 0.06995),
        ] {
            let found = within(&encoding, value, share);
            assert!(
                (found - expected).abs() <= 1e-14 * expected.abs(),
                "{value} at {share}: {found}"
            );
        }
        assert_eq!(within(&Positional::p1000(3), 3.14, 0.5), 3.14, "to the bit");
    }
}
