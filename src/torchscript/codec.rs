//! The number codec in TorchScript: the same arithmetic as [`crate::encoding`], on float64 tensors.

use super::Codec;
use crate::encoding::{self, Encoding};
use anyhow::{Result, bail};
use tch::Tensor;

/// The scripted arithmetic that all codecs share; it needs [`buffer`].
pub const SOURCE: &str = include_str!("codec.py");

/// The table of powers of ten, by name.
pub fn buffer() -> (String, Tensor) {
    ("powers_of_ten".to_string(), Tensor::from_slice(encoding::powers()))
}

/// Two methods `encode_{name}` and `decode_{name}` for an encoding, and their source.
pub fn codec(name: &str, encoding: &dyn Encoding) -> Result<(Codec, String)> {
    let digits = encoding.digits();
    let limit = 10u32.pow(digits);
    let (to_classes, to_numbers) = match encoding.name() {
        "P10" | "P1000" => {
            let units = units(encoding);
            (
                format!("self.positional_classes(x, {digits}, {limit}, {units:?})"),
                format!("self.positional_numbers(classes, {units:?})"),
            )
        }
        "B1999" => (
            format!("self.signed_classes(x, {digits}, {limit})"),
            format!("self.signed_numbers(classes, {limit})"),
        ),
        "FP15" => {
            let each = 9 * limit / 10;
            (
                format!("self.float_classes(x, {digits}, {limit}, {each})"),
                format!("self.float_numbers(classes, {digits}, {limit}, {each})"),
            )
        }
        other => bail!("{other} has no codec in TorchScript"),
    };
    let codec = Codec { encode: format!("encode_{name}"), decode: format!("decode_{name}") };
    let source = format!(
        "\n\ndef {}(self, x: Tensor) -> Tensor:\n    return {to_classes}\n\n\n\
         def {}(self, classes: Tensor) -> Tensor:\n    return {to_numbers}\n",
        codec.encode, codec.decode
    );
    Ok((codec, source))
}

/// The value of the last digit of every mantissa group: 10 and 1 for 314|2.
fn units(encoding: &dyn Encoding) -> Vec<u32> {
    let groups = &encoding.fields()[1..encoding.fields().len() - 1];
    let mut unit = 10u32.pow(encoding.digits());
    groups
        .iter()
        .map(|group| {
            unit /= group.classes() as u32;
            unit
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::named;
    use crate::torchscript::Module;
    use std::collections::BTreeMap;
    use tch::{CModule, Kind};

    /// A module that has nothing but the codec of an encoding.
    fn module(encoding: &dyn Encoding) -> CModule {
        let (_, methods) = codec("numbers", encoding).unwrap();
        let module = Module {
            parameters: vec![],
            buffers: vec![buffer()],
            attributes: vec![],
            methods: vec![],
            source: format!("{SOURCE}{methods}"),
            extra: BTreeMap::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codec.pt");
        module.save(&path).unwrap();
        CModule::load(path).unwrap()
    }

    /// Random numbers of all magnitudes, ties and their neighbors, powers of ten, and the edges of the encodings.
    fn numbers(largest: f64) -> Vec<f64> {
        let mut seed = 1u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut numbers: Vec<f64> =
            (0..60_000).map(|_| (2.0 * random() - 1.0) * 10f64.powf(24.0 * random() - 12.0)).collect();
        numbers.extend((0..60_000).map(|_| 20.0 * random() - 10.0));
        for exponent in -20..20 {
            for mantissa in ["1", "9.995", "99.95", "3.145", "3.1415", "2.5", "9.9995", "9.99995", "1.0005"] {
                let tie: f64 = format!("{mantissa}e{exponent}").parse().unwrap();
                for bits in [tie.to_bits() - 1, tie.to_bits(), tie.to_bits() + 1] {
                    numbers.extend([f64::from_bits(bits), -f64::from_bits(bits)]);
                }
            }
        }
        numbers.extend([0.0, -0.0, 3.14, 999.5, 9.995, 1e-9, 0.1 + 0.2, 5e-324, 1e-98, 9.99e-99, 1e-300, 9.99e102, -1e102]);
        numbers.extend([9.99e8, -9.99e8, 4e-10, 5e-10, 1.5e-9, 1e-7, 9.995e-8]);
        numbers.retain(|number| number.abs() < largest);
        numbers
    }

    #[test]
    fn classes_and_numbers_are_those_of_rust() {
        for name in ["P10", "P10:4", "P1000", "P1000:4", "P1000:5", "B1999", "B1999:5", "FP15", "FP15:4"] {
            let encoding = named(name).unwrap();
            let numbers = numbers(if name.starts_with("FP15") { 9.99e8 } else { 9.99e102 });
            assert!(numbers.len() >= 100_000);
            let fields = encoding.fields().len();
            let mut classes = vec![0u32; numbers.len() * fields];
            for (number, classes) in numbers.iter().zip(classes.chunks_mut(fields)) {
                encoding.encode(*number, classes).unwrap();
            }
            let decoded: Vec<f64> = classes.chunks(fields).map(|classes| encoding.decode(classes)).collect();
            let module = module(encoding.as_ref());
            let scripted = module.method_ts("encode_numbers", &[Tensor::from_slice(&numbers)]).unwrap();
            let back = module.method_ts("decode_numbers", &[&scripted]).unwrap();
            let scripted: Vec<i64> = Vec::try_from(scripted.to_kind(Kind::Int64).flatten(0, -1)).unwrap();
            let wrong = scripted.iter().zip(&classes).position(|(a, b)| *a != i64::from(*b));
            assert_eq!(wrong.map(|place| numbers[place / fields]), None, "{name}");
            let back: Vec<f64> = Vec::try_from(back).unwrap();
            let wrong = back.iter().zip(&decoded).position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(wrong.map(|place| (numbers[place], back[place], decoded[place])), None, "{name}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for (name, number, part) in [
            ("P1000", f64::NAN, "NaN"),
            ("P10", f64::INFINITY, "infinite"),
            ("B1999", 1e103, "1e103"),
            ("FP15", 1e9, "1e9"),
            ("P1000", 1e200, "too large"),
        ] {
            let module = module(named(name).unwrap().as_ref());
            let error = module.method_ts("encode_numbers", &[Tensor::from_slice(&[1.0, number])]).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
    }
}
