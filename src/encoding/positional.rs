//! A sign, the mantissa in groups of digits from the most significant, an exponent: what P10 and P1000 are made of.

use super::decimal::Decimal;
use super::{Encoding, Field, OutOfRange, Part, scientific};

/// `+ 3 1 4 E-2`, `+ 314 E-2`
#[derive(Debug)]
pub(super) struct Positional {
    name: &'static str,
    digits: u32,
    /// 10^(digits of the group), for every group of the mantissa.
    groups: Vec<u32>,
    words: Vec<String>,
    fields: Vec<Field>,
    order: Vec<usize>,
    shortens_zero: bool,
}

impl Positional {
    /// Groups of `per_group` digits, the last of those that remain; `field_name(i)` names group `i` from 1.
    pub(super) fn new(
        name: &'static str,
        digits: u32,
        per_group: u32,
        field_name: fn(usize) -> String,
        shortens_zero: bool,
    ) -> Self {
        let sizes = (0..digits)
            .step_by(per_group as usize)
            .map(|done| per_group.min(digits - done));
        let groups: Vec<_> = sizes.map(|size| 10u32.pow(size)).collect();
        let numbers = groups[0];
        let mut words = vec!["+".to_owned(), "-".to_owned()];
        words.extend((0..numbers).map(|number| number.to_string()));
        let first_exponent = words.len();
        words.extend(scientific::exponent_words());

        let mut fields = vec![Field {
            name: "sign".into(),
            part: Part::Sign,
            words: 0..2,
        }];
        fields.extend(groups.iter().enumerate().map(|(i, &group)| Field {
            name: field_name(i + 1),
            part: Part::Mantissa { leading: i == 0 },
            words: 2..2 + group as usize,
        }));
        fields.push(Field {
            name: "exponent".into(),
            part: Part::Exponent,
            words: first_exponent..words.len(),
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
            shortens_zero,
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

    fn encode(&self, value: f64, classes: &mut [u32]) -> Result<(), OutOfRange> {
        let decimal = scientific::round(value, self, self.digits)?;
        let last = self.groups.len() + 1;
        classes[0] = u32::from(decimal.negative);
        classes[last] = scientific::exponent_class(decimal.exponent);
        let mut mantissa = decimal.mantissa as u32;
        for (class, size) in classes[2..last].iter_mut().zip(&self.groups[1..]).rev() {
            *class = mantissa % size;
            mantissa /= size;
        }
        classes[1] = mantissa;
        Ok(())
    }

    fn decode(&self, classes: &[u32]) -> f64 {
        let last = self.groups.len() + 1;
        let groups = classes[1..last].iter().zip(&self.groups);
        let mantissa = groups.fold(0, |mantissa, (&class, size)| mantissa * size + class);
        let negative = classes[0] == 1 && mantissa != 0;
        Decimal {
            negative,
            mantissa: mantissa.into(),
            exponent: scientific::exponent_of(classes[last]),
        }
        .value()
    }

    fn is_variable_length(&self) -> bool {
        self.shortens_zero
    }
}
