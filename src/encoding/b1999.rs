//! B1999: a signed mantissa of three digits and an exponent: `N314 E-2`, `N-602 E21`. More digits widen the mantissa.

use super::decimal::Decimal;
use super::{Encoding, Field, OutOfRange, Part, scientific};

#[derive(Debug)]
pub(super) struct B1999 {
    digits: u32,
    /// The largest mantissa, which is also the class of the mantissa zero.
    limit: i32,
    words: Vec<String>,
    fields: [Field; 2],
}

impl B1999 {
    pub(super) fn new(digits: u32) -> Self {
        let limit = 10i32.pow(digits) - 1;
        let mut words: Vec<_> = (-limit..=limit).map(|mantissa| format!("N{mantissa}")).collect();
        let mantissas = words.len();
        words.extend(scientific::exponent_words());
        let fields = [
            Field {
                name: "mantissa".into(),
                part: Part::SignedMantissa,
                words: 0..mantissas,
            },
            Field {
                name: "exponent".into(),
                part: Part::Exponent,
                words: mantissas..words.len(),
            },
        ];
        Self {
            digits,
            limit,
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

    fn encode(&self, value: f64, classes: &mut [u32]) -> Result<(), OutOfRange> {
        let Decimal {
            negative,
            mantissa,
            exponent,
        } = scientific::round(value, self, self.digits)?;
        let mantissa = if negative { -(mantissa as i32) } else { mantissa as i32 };
        classes[0] = (mantissa + self.limit) as u32;
        classes[1] = scientific::exponent_class(exponent);
        Ok(())
    }

    fn decode(&self, classes: &[u32]) -> f64 {
        let mantissa = classes[0] as i32 - self.limit;
        let exponent = scientific::exponent_of(classes[1]);
        Decimal {
            negative: mantissa < 0,
            mantissa: mantissa.unsigned_abs().into(),
            exponent,
        }
        .value()
    }
}

#[cfg(test)]
mod tests {
    use crate::encoding::testing::{error, text};

    #[test]
    fn three_digits() {
        let text = |value| text("B1999", value);
        assert_eq!(text(3.14), "N314 E-2");
        assert_eq!(text(-6.02e23), "N-602 E21");
        assert_eq!(text(0.0), "N0 E0");
        assert_eq!(text(-0.0), "N0 E0");
        assert_eq!(text(999.5), "N100 E1");
        assert_eq!(text(9.995), "N999 E-2", "the float64 is 9.99499999999999922");
        assert_eq!(text(1e-9), "N100 E-11");
        assert_eq!(text(0.1 + 0.2), "N300 E-3");
        assert_eq!(text(-1.125), "N-112 E-2", "a tie to the even digit");
    }

    #[test]
    fn more_digits() {
        assert_eq!(text("B1999:4", 3.14159), "N3142 E-3");
        assert_eq!(text("B1999:4", 9.995), "N9995 E-3");
        assert_eq!(text("B1999:5", -3.14159), "N-31416 E-4");
        assert_eq!(text("B1999:5", 1e-9), "N10000 E-13");
    }

    #[test]
    fn largest_and_smallest() {
        assert_eq!(text("B1999", -9.99e102), "N-999 E100");
        assert_eq!(text("B1999", -1e-98), "N-100 E-100");
        assert_eq!(text("B1999", -9.994e-99), "N0 E0");
        assert_eq!(text("B1999:5", 9.9999e104), "N99999 E100");
        assert_eq!(
            error("B1999", -1e103),
            "-1e103 cannot be written in B1999:3: finite numbers up to 9.99e102 can"
        );
        assert_eq!(
            error("B1999", f64::INFINITY),
            "inf cannot be written in B1999:3: finite numbers up to 9.99e102 can"
        );
    }

    #[test]
    fn the_name_counts_its_mantissas() {
        assert_eq!(crate::encoding::named("B1999").unwrap().fields()[0].classes(), 1999);
    }
}
