//! Properties that every encoding has.

use super::testing::{all, encode};
use super::{Cursor, Encoding, Grammar, Vocabulary, round_matrices};
use crate::matrix::{Matrix, Shape};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

static ALL: LazyLock<Vec<Arc<dyn Encoding>>> = LazyLock::new(all);
static GRAMMARS: LazyLock<Vec<Grammar>> = LazyLock::new(|| {
    ALL.iter()
        .filter(is_small)
        .map(|encoding| Grammar::new(encoding.as_ref()))
        .collect()
});

/// Few enough words for tables in a test.
fn is_small(encoding: &&Arc<dyn Encoding>) -> bool {
    encoding.name() != "FP15" || encoding.digits() < 4
}

fn small() -> impl Iterator<Item = (&'static Arc<dyn Encoding>, &'static Grammar)> {
    ALL.iter().filter(is_small).zip(GRAMMARS.iter())
}

/// Numbers of all magnitudes that every encoding has.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-7.0..8.9f64, any::<bool>()).prop_map(|(exponent, negative)| {
            let magnitude = 10f64.powf(exponent);
            if negative { -magnitude } else { magnitude }
        }),
        4 => -10.0..10.0f64,
        1 => (-1000i32..1000).prop_map(f64::from),
        1 => Just(0.0),
        1 => Just(-0.0),
    ]
}

fn matrices() -> impl Strategy<Value = Vec<Matrix>> {
    let matrix = (1usize..4, 1usize..4).prop_flat_map(|(rows, cols)| {
        prop::collection::vec(number(), rows * cols).prop_map(move |values| Matrix::from_row_slice(rows, cols, &values))
    });
    prop::collection::vec(matrix, 1..3)
}

proptest! {
    #[test]
    fn a_number_comes_back_within_half_a_unit_of_its_last_digit(value in number()) {
        for encoding in ALL.iter() {
            let decoded = encoding.decode(&encode(encoding.as_ref(), value).unwrap());
            let leading = value.abs().max(1e-300).log10().floor() + 0.0;
            let unit = 10f64.powf(leading + 1.0 - f64::from(encoding.digits()));
            prop_assert!((decoded - value).abs() <= 0.5 * unit * (1.0 + 1e-9), "{encoding}: {value:e} became {decoded:e}");
            prop_assert!(!(decoded == 0.0 && decoded.is_sign_negative()), "{encoding}: {value:e} became -0");
        }
    }

    #[test]
    fn classes_of_a_number_come_back_from_its_value(exponent in -101.0..104.9f64, negative: bool) {
        let value = 10f64.powf(exponent) * if negative { -1.0 } else { 1.0 };
        for encoding in ALL.iter() {
            if let Ok(classes) = encode(encoding.as_ref(), value) {
                let rounded = encoding.decode(&classes);
                prop_assert_eq!(&encode(encoding.as_ref(), rounded).unwrap(), &classes, "{} {:e}", encoding, value);
            }
        }
    }

    #[test]
    fn rounding_is_idempotent(matrices in matrices()) {
        for encoding in ALL.iter() {
            let once = round_matrices(encoding.as_ref(), &matrices).unwrap();
            prop_assert_eq!(&round_matrices(encoding.as_ref(), &once).unwrap(), &once);
        }
    }

    #[test]
    fn classes_are_those_of_their_fields(value in number()) {
        for encoding in ALL.iter() {
            let classes = encode(encoding.as_ref(), value).unwrap();
            for (field, &class) in encoding.fields().iter().zip(&classes) {
                prop_assert!((class as usize) < field.classes(), "{encoding} {value:e}: {} {class}", field.name);
            }
        }
    }

    #[test]
    fn every_tuple_of_classes_is_a_finite_number(choices in prop::array::uniform8(any::<prop::sample::Index>())) {
        for encoding in ALL.iter() {
            let fields = encoding.fields().iter().zip(&choices);
            let classes: Vec<_> = fields.map(|(field, choice)| choice.index(field.classes()) as u32).collect();
            let value = encoding.decode(&classes);
            prop_assert!(value.is_finite(), "{encoding} {classes:?}");
            prop_assert!(encode(encoding.as_ref(), value).is_ok(), "{encoding} {classes:?} {value:e}");
        }
    }

    #[test]
    fn what_is_written_is_legal_and_read_as_rounded(matrices in matrices()) {
        let shapes: Vec<_> = matrices.iter().map(Shape::of).collect();
        for (encoding, grammar) in small() {
            let vocabulary = Vocabulary::new(encoding.clone());
            let mut tokens = Vec::new();
            vocabulary.write(&matrices, &mut tokens).unwrap();
            let slots = grammar.slots(&shapes);
            let mut cursor = Cursor::new(grammar, &slots);
            for &token in &tokens {
                prop_assert!(cursor.advance(token), "{encoding}: {}", vocabulary.word(token));
            }
            prop_assert!(cursor.is_finished());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sequences_read_as_what_was_written(matrices in matrices()) {
        let shapes: Vec<_> = matrices.iter().map(Shape::of).collect();
        for (encoding, _) in small() {
            let vocabulary = Vocabulary::new(encoding.clone());
            let mut tokens = Vec::new();
            vocabulary.write(&matrices, &mut tokens).unwrap();
            let rounded = round_matrices(encoding.as_ref(), &matrices).unwrap();
            prop_assert_eq!(vocabulary.read(&tokens, &shapes).unwrap(), rounded);
        }
    }

    #[test]
    fn every_walk_through_the_grammar_reads(choices in prop::collection::vec(any::<prop::sample::Index>(), 80)) {
        let shapes = [Shape::new(1, 3), Shape::new(2, 1)];
        for (encoding, grammar) in small() {
            let vocabulary = Vocabulary::new(encoding.clone());
            let slots = grammar.slots(&shapes);
            let mut cursor = Cursor::new(grammar, &slots);
            let mut tokens = Vec::new();
            for choice in &choices {
                let legal: Vec<_> = (0..vocabulary.size() as i64).filter(|&token| cursor.allowed(token)).collect();
                prop_assert!(!legal.is_empty());
                let token = legal[choice.index(legal.len())];
                prop_assert!(cursor.advance(token));
                tokens.push(token);
            }
            prop_assert!(cursor.is_finished(), "{encoding}: no walk is longer than its fields");
            let read = vocabulary.read(&tokens, &shapes).unwrap();
            prop_assert!(read.iter().flatten().all(|value| value.is_finite()));
        }
    }
}
