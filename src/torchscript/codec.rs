//! The number codec in TorchScript: the same arithmetic as [`crate::encoding`], on float64 tensors.

use super::Codec;
use crate::encoding::{Encoding, LARGEST_POWER, power, power_rest};
use anyhow::{Result, bail};
use tch::Tensor;

/// The scripted arithmetic that all codecs share; it needs [`buffer`].
pub const SOURCE: &str = include_str!("codec.py");

/// The table of powers of ten, by name: float64 `[4, 221]`. Row 0 is 10^-110 to 10^110; at 10^0 and beyond, rows 1 and 2 are its halves, and row 3 is what it lacks.
pub fn buffer() -> (String, Tensor) {
    let parts = |exponent| {
        let nearest = power(exponent);
        let (leading, trailing) = halves(nearest);
        [
            nearest,
            leading,
            trailing,
            if exponent < 0 { 0.0 } else { power_rest(exponent) },
        ]
    };
    let columns: Vec<_> = (-LARGEST_POWER..=LARGEST_POWER).map(parts).collect();
    let rows: Vec<_> = (0..4)
        .flat_map(|row| columns.iter().map(move |parts| parts[row]))
        .collect();
    (
        "powers_of_ten".to_string(),
        Tensor::from_slice(&rows).reshape([4, columns.len() as i64]),
    )
}

/// A double as the sum of its leading 26 bits, rounded, and the others (Veltkamp).
fn halves(number: f64) -> (f64, f64) {
    let wide = number * 134_217_729.0;
    let leading = wide - (wide - number);
    (leading, number - leading)
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
    let codec = Codec {
        encode: format!("encode_{name}"),
        decode: format!("decode_{name}"),
    };
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
// 3.14 is the paper's example, not an approximation of π.
#[allow(clippy::approx_constant)]
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
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut numbers: Vec<f64> = (0..60_000)
            .map(|_| (2.0 * random() - 1.0) * 10f64.powf(24.0 * random() - 12.0))
            .collect();
        numbers.extend((0..60_000).map(|_| 20.0 * random() - 10.0));
        for exponent in -20..20 {
            for mantissa in [
                "1", "9.995", "99.95", "3.145", "3.1415", "2.5", "9.9995", "9.99995", "1.0005",
            ] {
                let tie: f64 = format!("{mantissa}e{exponent}").parse().unwrap();
                for bits in [tie.to_bits() - 1, tie.to_bits(), tie.to_bits() + 1] {
                    numbers.extend([f64::from_bits(bits), -f64::from_bits(bits)]);
                }
            }
        }
        // Numbers next to a tie at every exponent, also those whose powers of ten are no doubles.
        for _ in 0..20_000 {
            let (whole, places) = (10f64.powf(1.0 + 4.0 * random()) as u32, (200.0 * random()) as i32 - 102);
            let tie: f64 = format!("{whole}.5e{places}").parse().unwrap();
            numbers.extend([tie, tie.next_up(), -tie.next_down()]);
        }
        numbers.extend([
            0.0,
            -0.0,
            3.14,
            999.5,
            9.995,
            1e-9,
            0.1 + 0.2,
            5e-324,
            1e-98,
            9.99e-99,
            1e-300,
            9.99e102,
            -1e102,
        ]);
        numbers.extend([9.99e8, -9.99e8, 4e-10, 5e-10, 1.5e-9, 1e-7, 9.995e-8]);
        numbers.retain(|number| number.abs() < largest);
        numbers
    }

    #[test]
    fn classes_and_numbers_are_those_of_rust() {
        for name in [
            "P10", "P10:4", "P10:5", "P1000", "P1000:4", "P1000:5", "B1999", "B1999:4", "B1999:5", "FP15", "FP15:4",
            "FP15:5",
        ] {
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
            let scripted = module
                .method_ts("encode_numbers", &[Tensor::from_slice(&numbers)])
                .unwrap();
            let back = module.method_ts("decode_numbers", &[&scripted]).unwrap();
            let scripted: Vec<i64> = Vec::try_from(scripted.to_kind(Kind::Int64).flatten(0, -1)).unwrap();
            let wrong = scripted.iter().zip(&classes).position(|(a, b)| *a != i64::from(*b));
            assert_eq!(wrong.map(|place| numbers[place / fields]), None, "{name}");
            let back: Vec<f64> = Vec::try_from(back).unwrap();
            let wrong = back.iter().zip(&decoded).position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(
                wrong.map(|place| (numbers[place], back[place], decoded[place])),
                None,
                "{name}"
            );
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        for (name, number, text) in [
            (
                "P1000",
                f64::NAN,
                "nan cannot be encoded: finite numbers of magnitudes below 1e103 can",
            ),
            (
                "P10",
                f64::NEG_INFINITY,
                "-inf cannot be encoded: finite numbers of magnitudes below 1e103 can",
            ),
            (
                "B1999:5",
                -1e105,
                "e+104 cannot be encoded: finite numbers of magnitudes below 1e105 can",
            ),
            (
                "P1000",
                9.996e102,
                "e+102 cannot be encoded: finite numbers of magnitudes below 1e103 can",
            ),
            (
                "P1000",
                2e200,
                "e+200 cannot be encoded: finite numbers of magnitudes below 1e103 can",
            ),
            (
                "FP15",
                9.995e8,
                "999500000. cannot be encoded: finite numbers of magnitudes below 1e9 can",
            ),
        ] {
            let encoding = named(name).unwrap();
            assert!(
                encoding.encode(number, &mut vec![0; encoding.fields().len()]).is_err(),
                "{name}: {number}"
            );
            let module = module(encoding.as_ref());
            let error = module
                .method_ts("encode_numbers", &[Tensor::from_slice(&[1.0, number])])
                .unwrap_err()
                .to_string();
            assert!(error.contains(text), "{name}: {error}");
        }
    }

    #[test]
    fn every_tuple_of_classes_is_decoded_as_in_rust() {
        let mut seed = 5u64;
        for name in ["P10", "P1000:4", "P1000:5", "B1999", "FP15", "FP15:5"] {
            let encoding = named(name).unwrap();
            let mut draw = |field: &crate::encoding::Field| {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                ((seed >> 33) % field.classes() as u64) as u32
            };
            let tuples: Vec<Vec<u32>> = (0..20_000)
                .map(|_| encoding.fields().iter().map(&mut draw).collect())
                .collect();
            let flat: Vec<i64> = tuples.iter().flatten().map(|&class| i64::from(class)).collect();
            let classes = Tensor::from_slice(&flat).view([tuples.len() as i64, -1]);
            let numbers = module(encoding.as_ref())
                .method_ts("decode_numbers", &[classes])
                .unwrap();
            let numbers: Vec<f64> = Vec::try_from(numbers).unwrap();
            for (tuple, number) in tuples.iter().zip(numbers) {
                assert_eq!(number.to_bits(), encoding.decode(tuple).to_bits(), "{name} {tuple:?}");
            }
        }
    }

    #[test]
    fn numbers_of_any_shape_and_kind_are_encoded() {
        let module = module(named("P1000").unwrap().as_ref());
        let round = |x: &Tensor| {
            let classes = module.method_ts("encode_numbers", &[x]).unwrap();
            module.method_ts("decode_numbers", &[classes]).unwrap()
        };
        for shape in [vec![], vec![0], vec![2, 3], vec![2, 1, 3]] {
            let x = Tensor::full(shape.as_slice(), -2.5, (Kind::Double, tch::Device::Cpu));
            assert_eq!(round(&x), x);
        }
        let strided = Tensor::from_slice(&[1.5, 2.5, -3.25, 0.0]).view([2, 2]).tr();
        assert_eq!(round(&strided), strided);
        assert_eq!(round(&Tensor::from_slice(&[-2.5f32])), Tensor::from_slice(&[-2.5]));
        assert_eq!(round(&Tensor::from_slice(&[7i64])), Tensor::from_slice(&[7.0]));
        assert_eq!(
            round(&Tensor::from_slice(&[1.5]).set_requires_grad(true)),
            Tensor::from_slice(&[1.5])
        );
    }
}
