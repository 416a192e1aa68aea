//! Compares `codec.py` with the encodings of the Rust crate.

use super::*;

/// The functions of `codec.py` for an encoding.
fn codec(name: &str) -> Module {
    let toy = Toy::new("eigenvalues", &format!("dim=2 encoding.output={name}"));
    let mut module = toy.solver.module;
    module
        .define(
            "def encode_numbers(self, x: Tensor) -> Tensor:\n    return self.encoded(x, self.output_codec)\n\n\n\
             def decode_numbers(self, classes: Tensor) -> Tensor:\n    return self.decoded(classes, self.output_codec)\n",
        )
        .unwrap();
    module
}

/// Numbers of all magnitudes below a bound, and the neighbors of rounding ties at every exponent, including exponents whose powers
/// of ten are no doubles.
fn numbers(largest: f64) -> Vec<f64> {
    let mut seed = 5u64;
    let mut random = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut numbers = vec![
        0.0,
        -0.0,
        999.5,
        9.995,
        0.1 + 0.2,
        5e-324,
        1e-98,
        9.99e-99,
        1e-300,
        9.99e102,
        9.99e8,
        4e-10,
        9.995e-8,
    ];
    for _ in 0..20_000 {
        let exponent = 210.0 * random() - 105.0;
        numbers.extend([
            (2.0 * random() - 1.0) * 10f64.powf(exponent),
            (20.0 * random() - 10.0 * 1.0),
        ]);
        let (whole, places) = (10f64.powf(1.0 + 4.0 * random()) as u32, (200.0 * random()) as i32 - 102);
        let tie: f64 = format!("{whole}.5e{places}").parse().unwrap();
        numbers.extend([tie, tie.next_up(), -tie.next_down()]);
    }
    numbers.retain(|number| number.abs() < largest);
    numbers
}

#[test]
fn classes_and_numbers_are_those_of_the_encodings() {
    for name in [
        "P10", "P10:5", "P1000", "P1000:4", "P1000:5", "B1999", "B1999:5", "FP15", "FP15:5",
    ] {
        let encoding = encoding::named(name).unwrap();
        let numbers = numbers(if name.starts_with("FP15") { 9.99e8 } else { 9.99e102 });
        let fields = encoding.fields().len();
        let mut classes = vec![0u32; numbers.len() * fields];
        for (number, classes) in numbers.iter().zip(classes.chunks_mut(fields)) {
            encoding.encode(*number, classes).unwrap();
        }
        let decoded: Vec<u64> = classes
            .chunks(fields)
            .map(|classes| encoding.decode(classes).to_bits())
            .collect();
        let module = codec(name);
        let scripted = module
            .call("encode_numbers", &[Tensor::from_slice(&numbers)], &[])
            .unwrap();
        let back = module.call("decode_numbers", &scripted, &[]).unwrap().remove(0);
        let scripted: Vec<i64> = Vec::try_from(scripted[0].flatten(0, -1)).unwrap();
        let wrong = scripted.iter().zip(&classes).position(|(a, b)| *a != i64::from(*b));
        assert_eq!(wrong.map(|place| numbers[place / fields]), None, "{name}");
        let back: Vec<f64> = Vec::try_from(back).unwrap();
        let wrong = back.iter().zip(&decoded).position(|(a, b)| a.to_bits() != *b);
        assert_eq!(wrong.map(|place| numbers[place]), None, "{name}");
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
            "FP15",
            9.995e8,
            "999500000. cannot be encoded: finite numbers of magnitudes below 1e9 can",
        ),
    ] {
        let encoding = encoding::named(name).unwrap();
        assert!(
            encoding.encode(number, &mut vec![0; encoding.fields().len()]).is_err(),
            "{name}: {number}"
        );
        let error = codec(name)
            .call("encode_numbers", &[Tensor::from_slice(&[1.0, number])], &[])
            .map_err(said);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(text), "{name}: {error}");
    }
}
