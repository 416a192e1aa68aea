//! B1999: one token for the signed mantissa and one for the exponent.

use super::decimal::Decimal;
use super::{Encoding, Field, OutOfRange, Part, exponent};

#[derive(Debug)]
pub struct B1999 {
    digits: u32,
    /// Largest mantissa. With three digits it is 999, and the 1,999 signed mantissas give the encoding its name.
    largest: u32,
    words: Vec<String>,
    fields: [Field; 2],
}

impl B1999 {
    pub fn new(digits: u32) -> Self {
        let largest = 10u32.pow(digits) - 1;
        let signed = i64::from(largest);
        let mut words: Vec<String> = (-signed..=signed).map(|mantissa| format!("N{mantissa}")).collect();
        let mantissas = 0..words.len();
        let exponents = exponent::words(&mut words);
        let fields = [
            Field {
                name: "mantissa".into(),
                part: Part::SignedMantissa,
                words: mantissas,
            },
            Field {
                name: "exponent".into(),
                part: Part::Exponent,
                words: exponents,
            },
        ];
        Self {
            digits,
            largest,
            words,
            fields,
        }
    }
}

impl Encoding for B1999 {
    fn name(&self) -> &'static str {
        "B1999"
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
        &[1, 0]
    }

    #[inline(always)]
    fn encode(&self, value: f64, classes: &mut [u32]) -> Result<(), OutOfRange> {
        let decimal = exponent::round("B1999", self.digits, value)?;
        classes[0] = if decimal.negative {
            self.largest - decimal.mantissa
        } else {
            self.largest + decimal.mantissa
        };
        classes[1] = exponent::class(decimal.exponent);
        Ok(())
    }

    #[inline(always)]
    fn round(&self, value: f64) -> Result<f64, OutOfRange> {
        Ok(exponent::round("B1999", self.digits, value)?.value())
    }

    fn reach(&self) -> f64 {
        exponent::REACH
    }

    fn decode(&self, classes: &[u32]) -> f64 {
        let negative = classes[0] < self.largest;
        let mantissa = classes[0].abs_diff(self.largest);
        Decimal {
            negative,
            mantissa,
            exponent: exponent::of_class(classes[1]),
        }
        .value()
    }
}
