//! What the members tell of numbers.

use super::*;
use crate::model::{Architecture, Config};
use std::f64::consts::TAU;
use tch::{Device, no_grad};

fn embedding(member: ValueFeatures, digits: i64) -> (nn::VarStore, ValueEmbedding) {
    tch::manual_seed(3);
    let store = nn::VarStore::new(Device::Cpu);
    let config = Config {
        width: 8,
        value_features: member,
        ..Config::preset(Architecture::Laformer)
    };
    let values = ValueEmbedding::new(store.root(), &config, 10.0, digits);
    (store, values)
}

fn features(member: ValueFeatures, digits: i64, x: f64) -> Vec<f64> {
    let (_store, embedding) = embedding(member, digits);
    let features = embedding.features.of(&Tensor::from_slice(&[x as f32]));
    assert_eq!(features.kind(), Kind::Float);
    Vec::try_from(features.to_kind(Kind::Double)).unwrap()
}

fn assert_close(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
}

#[test]
fn numbers_have_the_features_that_their_members_promise() {
    assert_close(&features(ValueFeatures::Raw, 3, -2.5), &[-0.25]);
    assert_close(&features(ValueFeatures::LogMagnitude, 3, -0.01), &[-1.0, -2.0]);
    assert_close(&features(ValueFeatures::LogMagnitude, 3, 0.0), &[0.0, -3.0]);
    let fourier = features(ValueFeatures::Fourier, 3, 2.5);
    assert_eq!(fourier.len(), 18);
    assert_close(
        &[fourier[0], fourier[2], fourier[9]],
        &[(TAU / 16.0).sin(), 1.0, (TAU / 16.0).cos()],
    );
    let phases = features(ValueFeatures::Phases, 3, -0.1);
    assert_eq!(phases.len(), 2 + 14);
    // A tenth of the unit: its logarithm is -1, a quarter of a turn back at the first frequency.
    assert_close(&[phases[0], phases[1], phases[2], phases[9]], &[-1.0, -1.0, -1.0, 0.0]);
    let all = features(ValueFeatures::All, 3, 2.5);
    assert_close(&all[..3], &[0.25, 1.0, 2.5f64.log10()]);
    assert_close(&all[4..], &fourier);
}

#[test]
fn phases_of_a_product_are_those_of_its_factors_multiplied_as_complex_numbers() {
    let phases = |x| features(ValueFeatures::Phases, 3, x)[2..].to_vec();
    let (one, other, product) = (phases(2.5), phases(-0.3), phases(-0.75));
    for turns in 0..7 {
        let [(s, c), (t, d)] = [&one, &other].map(|x| (x[turns], x[turns + 7]));
        let wanted = [s * d + c * t, c * d - s * t];
        let found = [product[turns], product[turns + 7]];
        assert!(
            wanted.iter().zip(found).all(|(a, b)| (a - b).abs() < 1e-4),
            "{wanted:?} {found:?}"
        );
    }
}

#[test]
fn digits_are_those_that_are_written() {
    for (digits, x) in [
        (3, 3.25),
        (3, -9.99),
        (3, 0.1),
        (3, 0.01),
        (3, 10.0),
        (3, 1e-38),
        (3, 1.23e30),
        (3, 0.0),
        (2, -0.0097),
        (4, 7.001),
        (5, 99.999),
        (5, 1.0),
    ] {
        let features = features(ValueFeatures::Digits, digits, x);
        let text = format!("{:.*e}", digits as usize - 1, x);
        let (mantissa, exponent) = text.split_once('e').unwrap();
        let wanted = mantissa.chars().filter_map(|c| c.to_digit(10)).map(|d| d as usize);
        let hot = |part: &[f64]| {
            assert_eq!(part.iter().sum::<f64>(), 1.0);
            part.iter().position(|&x| x == 1.0).unwrap()
        };
        let (head, exponents) = features.split_at(1 + 10 * digits as usize);
        assert_eq!(head[0], if x == 0.0 { 0.0 } else { x.signum() }, "{x}");
        assert!(head[1..].chunks(10).map(hot).eq(wanted), "{x}");
        assert_eq!(
            hot(exponents) as i64 - EXPONENT_OF_FP32,
            exponent.parse::<i64>().unwrap(),
            "{x}"
        );
    }
}

const EXPONENT_OF_FP32: i64 = 38;

#[test]
fn a_padded_number_stands_alone_and_a_raw_one_scales_a_vector() {
    let values = Tensor::from_slice(&[5f32, -10.0]).unsqueeze(0);
    let (store, padded) = embedding(ValueFeatures::Padded, 3);
    assert!(store.trainable_variables().is_empty());
    let wanted = Tensor::zeros([1, 2, 8], (Kind::Float, Device::Cpu));
    wanted.select(2, 0).copy_(&Tensor::from_slice(&[0.5f32, -1.0]));
    assert_eq!(padded.forward(&values, Kind::BFloat16), wanted);
    no_grad(|| {
        let (store, raw) = embedding(ValueFeatures::Raw, 3);
        let vectors = raw.forward(&values, Kind::BFloat16);
        assert_eq!(store.trainable_variables().len(), 1);
        assert_eq!(vectors.select(1, 0) * -2.0, vectors.select(1, 1));
    });
}
