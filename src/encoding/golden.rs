//! Golden tokens, computed by hand, of every encoding with 2 to 5 digits.

use super::tests::written;
use super::{DIGITS, NAMES, named};

// 3.14 is the paper's example, not an approximation of π.
/// Encoding, number, words. 9.995 is the double 9.99499999999999922, below the tie. 999.5, 998.5 and 1.125 are ties.
#[allow(clippy::approx_constant)]
#[rustfmt::skip]
const TOKENS: &[(&str, f64, &str)] = &[
    ("P10", 3.14, "+ 3 1 4 E-2"),
    ("P10", -6.02e23, "- 6 0 2 E21"),
    ("P10", 0.0, "+ 0 E0"),
    ("P10", -0.0, "+ 0 E0"),
    ("P10", 999.5, "+ 1 0 0 E1"),
    ("P10", 9.995, "+ 9 9 9 E-2"),
    ("P10", 1e-9, "+ 1 0 0 E-11"),
    ("P10", 0.1 + 0.2, "+ 3 0 0 E-3"),
    ("P10", 7.0, "+ 7 0 0 E-2"),
    ("P10:4", 3.14159, "+ 3 1 4 2 E-3"),
    ("P10:4", -6.02e23, "- 6 0 2 0 E20"),
    ("P10:4", 9.995, "+ 9 9 9 5 E-3"),
    ("P10:4", 0.0, "+ 0 E0"),
    ("P10:5", 3.14159, "+ 3 1 4 1 6 E-4"),
    ("P10:5", 999.5, "+ 9 9 9 5 0 E-2"),
    ("P10:5", 1e-9, "+ 1 0 0 0 0 E-13"),
    ("P10", 9.99e102, "+ 9 9 9 E100"),
    ("P10", -9.994e102, "- 9 9 9 E100"),
    ("P10", 1e-98, "+ 1 0 0 E-100"),
    ("P10", 9.996e-99, "+ 1 0 0 E-100"),
    ("P10", -9.99e-99, "+ 0 E0"),
    ("P10", 5e-324, "+ 0 E0"),
    ("P1000", 3.14, "+ 314 E-2"),
    ("P1000", -6.02e23, "- 602 E21"),
    ("P1000", 0.0, "+ 0 E0"),
    ("P1000", -0.0, "+ 0 E0"),
    ("P1000", 999.5, "+ 100 E1"),
    ("P1000", 9.995, "+ 999 E-2"),
    ("P1000", 1e-9, "+ 100 E-11"),
    ("P1000", 0.1 + 0.2, "+ 300 E-3"),
    ("P1000", 0.125, "+ 125 E-3"),
    ("P1000", 1.125, "+ 112 E-2"),
    ("P1000:4", 3.1416, "+ 314 2 E-3"),
    ("P1000:4", -6.02e23, "- 602 0 E20"),
    ("P1000:4", 999.5, "+ 999 5 E-1"),
    ("P1000:4", 0.0, "+ 0 0 E0"),
    ("P1000:5", 3.14159, "+ 314 16 E-4"),
    ("P1000:5", 9.995, "+ 999 50 E-4"),
    ("P1000:5", 0.1 + 0.2, "+ 300 0 E-5"),
    ("P1000:5", 1.0002, "+ 100 2 E-4"),
    ("P1000:2", 3.14, "+ 31 E-1"),
    ("P1000", -9.99e102, "- 999 E100"),
    ("P1000", 1e-98, "+ 100 E-100"),
    ("P1000", -9.994e-99, "+ 0 E0"),
    ("P1000:4", 9.999e103, "+ 999 9 E100"),
    ("P1000:5", 1e-96, "+ 100 0 E-100"),
    ("B1999", 3.14, "N314 E-2"),
    ("B1999", -6.02e23, "N-602 E21"),
    ("B1999", 0.0, "N0 E0"),
    ("B1999", -0.0, "N0 E0"),
    ("B1999", 999.5, "N100 E1"),
    ("B1999", 9.995, "N999 E-2"),
    ("B1999", 1e-9, "N100 E-11"),
    ("B1999", 0.1 + 0.2, "N300 E-3"),
    ("B1999", -1.125, "N-112 E-2"),
    ("B1999:4", 3.14159, "N3142 E-3"),
    ("B1999:4", 9.995, "N9995 E-3"),
    ("B1999:5", -3.14159, "N-31416 E-4"),
    ("B1999:5", 1e-9, "N10000 E-13"),
    ("B1999", -9.99e102, "N-999 E100"),
    ("B1999", -1e-98, "N-100 E-100"),
    ("B1999", -9.994e-99, "N0 E0"),
    ("B1999:5", 9.9999e104, "N99999 E100"),
    ("FP15", 3.14, "N314e7"),
    ("FP15", 0.0, "N0e0"),
    ("FP15", -0.0, "N0e0"),
    ("FP15", 999.5, "N100e10"),
    ("FP15", 998.5, "N999e9"),
    ("FP15", -1.125, "N-113e7"),
    ("FP15", 9.995, "N999e7"),
    ("FP15", 0.1 + 0.2, "N300e6"),
    ("FP15", 1.0, "N100e7"),
    ("FP15", 1e-7, "N100e0"),
    ("FP15", 1.234e-7, "N123e0"),
    ("FP15", 9.996e-7, "N100e1"),
    ("FP15", -1e-9, "N-1e0"),
    ("FP15", 1.6e-9, "N2e0"),
    ("FP15", -4.9e-10, "N0e0"),
    ("FP15", 5e-324, "N0e0"),
    ("FP15:4", 3.14159, "N3142e7"),
    ("FP15:4", 9.995, "N9995e7"),
    ("FP15:4", 1e-10, "N1e0"),
    ("FP15:5", -3.14159, "N-31416e7"),
    ("FP15", 9.99e8, "N999e15"),
    ("FP15", -9.9949e8, "N-999e15"),
    ("FP15:4", 9.995e8, "N9995e15"),
];

#[test]
fn numbers_have_their_golden_tokens() {
    for &(name, value, words) in TOKENS {
        assert_eq!(
            written(named(name).unwrap().as_ref(), value),
            words,
            "{value:e} in {name}"
        );
    }
}

#[test]
fn the_first_numbers_too_large_are_refused() {
    for name in NAMES {
        for digits in DIGITS {
            let encoding = named(&format!("{name}:{digits}")).unwrap();
            let mut classes = vec![0; encoding.fields().len()];
            // With three digits and the largest exponent: 9.99 and 9.994 are encoded; 9.996 is too large.
            let nines = "9".repeat(digits as usize - 1);
            let exponent = if name == "FP15" { 8 } else { 99 + digits };
            let number = |end: &str| format!("9.{nines}{end}e{exponent}").parse::<f64>().unwrap();
            for end in ["", "4"] {
                encoding.encode(number(end), &mut classes).unwrap();
                assert_eq!(encoding.decode(&classes), number(""), "{name}:{digits}");
            }
            for value in [
                number("6"),
                -number("6"),
                10.0 * number(""),
                f64::MAX,
                f64::INFINITY,
                f64::NAN,
            ] {
                let error = encoding.encode(value, &mut classes).unwrap_err();
                assert!(error.value == value || value.is_nan());
                assert!(error.limit.contains(&format!("below 1e{}", exponent + 1)), "{error}");
            }
        }
    }
}
