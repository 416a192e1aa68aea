//! Tests of streams: independence, splits, rounding, noise and sizes.

use std::ops::Range;

use super::*;
use crate::{encoding::Field, problem};

/// A test encoding: integers up to a limit, as one class shifted by the limit.
#[derive(Debug)]
struct Integers {
    limit: f64,
    fields: Vec<Field>,
}

impl Integers {
    fn up_to(limit: f64) -> Arc<dyn Encoding> {
        let words: Range<usize> = 0..2 * limit as usize + 1;
        let field = Field {
            name: "integer".to_owned(),
            part: crate::encoding::Part::Float,
            words,
        };
        Arc::new(Self {
            limit,
            fields: vec![field],
        })
    }
}

impl Encoding for Integers {
    fn name(&self) -> &'static str {
        "integers"
    }

    fn digits(&self) -> u32 {
        1
    }

    fn words(&self) -> &[String] {
        &[]
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn prediction_order(&self) -> &[usize] {
        &[0]
    }

    fn encode(&self, value: f64, classes: &mut [u32]) -> Result<(), OutOfRange> {
        let shifted = value.round() + self.limit;
        if !(0.0..=2.0 * self.limit).contains(&shifted) {
            let limit = format!("magnitudes up to {}", self.limit);
            return Err(OutOfRange {
                value,
                encoding: self.name().to_owned(),
                limit,
            });
        }
        classes[0] = shifted as u32;
        Ok(())
    }

    fn decode(&self, classes: &[u32]) -> f64 {
        f64::from(classes[0]) - self.limit
    }
}

fn stream(problem: &str, dimensions: &str, split: Split) -> Stream {
    let problem = problem::named(problem).unwrap();
    let distribution = "uniform".parse().unwrap();
    Stream::new(
        Specification::new(problem, dimensions.parse().unwrap(), distribution).unwrap(),
        1,
        split,
    )
}

/// Generates the example at an index into the memory of another.
fn fill(stream: &Stream, index: u64, reused: &mut Example) {
    let reused = std::slice::from_mut(reused);
    stream
        .fill_all([index].into_iter(), stream.size(index), reused)
        .unwrap();
}

#[test]
fn examples_do_not_depend_on_earlier_ones() {
    for problem in problem::ALL {
        let stream = stream(problem.name(), "2-4", Split::Train);
        let mut reused = Example::default();
        for index in [9, 2, 2, 5, u64::MAX] {
            fill(&stream, index, &mut reused);
            assert_eq!(reused, stream.example(index).unwrap(), "{}", problem.name());
        }
    }
}

#[test]
fn splits_seeds_and_specifications_share_no_examples() {
    let specification = |text: &str| {
        Specification::new(
            problem::named("inverse").unwrap(),
            "3".parse().unwrap(),
            text.parse().unwrap(),
        )
        .unwrap()
    };
    let mut first = Vec::new();
    for text in ["uniform", "uniform:20"] {
        for seed in [0, 1] {
            for split in Split::ALL {
                let stream = Stream::new(specification(text), seed, split);
                first.extend((0..50).map(|index| stream.example(index).unwrap().operands[0][0]));
            }
        }
    }
    let count = first.len();
    first.sort_by(f64::total_cmp);
    first.dedup();
    assert_eq!(first.len(), count);
}

#[test]
fn targets_belong_to_rounded_operands_unless_exact_ones_are_chosen() {
    let exact = stream("eigenvalues", "3", Split::Train);
    let rounded = exact.clone().with_input(Integers::up_to(10.0));
    let paper = rounded.clone().with_targets(Targets::Exact);
    for index in 0..20 {
        let [exact, rounded, paper] = [&exact, &rounded, &paper].map(|stream| stream.example(index).unwrap());
        assert_eq!(rounded.operands[0], exact.operands[0].map(f64::round));
        assert_eq!(rounded.operands[0], rounded.operands[0].transpose());
        assert_eq!(rounded.operands, paper.operands);
        assert_eq!(paper.solution, exact.solution);
        assert_eq!(
            problem::named("eigenvalues")
                .unwrap()
                .check(&rounded.operands, &rounded.solution),
            Ok(())
        );
        assert_ne!(rounded.solution, exact.solution);
    }
}

#[test]
fn noise_changes_operands_and_not_targets() {
    let eigenvalues = problem::named("eigenvalues").unwrap();
    for targets in [Targets::Rounded, Targets::Exact] {
        let clean = stream("eigenvalues", "3", Split::Test).with_input(Integers::up_to(100.0));
        let clean = clean.with_targets(targets);
        let noisy = clean.clone().with_noise(Noise::new(0.5).unwrap());
        let none = clean.clone().with_noise(Noise::new(0.0).unwrap());
        let mut asymmetric = 0;
        for index in 0..50 {
            let [clean, noisy, none] = [&clean, &noisy, &none].map(|stream| stream.example(index).unwrap());
            assert_eq!(none, clean);
            assert_eq!(clean.truth(), clean.operands);
            assert_eq!((noisy.truth(), &noisy.solution), (&clean.operands[..], &clean.solution));
            assert_ne!(noisy.operands, clean.operands);
            assert_eq!(noisy.operands[0], noisy.operands[0].map(f64::round));
            asymmetric += usize::from(eigenvalues.check_operands(&noisy.operands).is_err());
        }
        assert!(asymmetric > 40, "{asymmetric}");
    }
}

#[test]
fn noisy_operands_out_of_range_are_drawn_again() {
    let clean = stream("add", "1", Split::Train).with_input(Integers::up_to(10.0));
    let noisy = clean.clone().with_noise(Noise::new(1.0).unwrap());
    let mut reused = Example::default();
    let mut redrawn = 0;
    for index in 0..200 {
        fill(&noisy, index, &mut reused);
        assert_eq!(reused, noisy.example(index).unwrap());
        assert!(reused.operands.iter().all(|operand| operand[0].abs() <= 10.0));
        assert_eq!(reused.solution[0][0], reused.clean[0][0] + reused.clean[1][0]);
        redrawn += usize::from(reused.clean != clean.example(index).unwrap().operands);
    }
    assert!((20..180).contains(&redrawn), "{redrawn}");
    // A clean example reuses the memory of a noisy one.
    fill(&clean, 3, &mut reused);
    assert_eq!(reused, clean.example(3).unwrap());
}

#[test]
fn only_draws_out_of_range_are_drawn_again() {
    let free = stream("add", "1", Split::Train);
    let bounded = free.clone().with_output(Integers::up_to(8.0));
    let mut redrawn = 0;
    for index in 0..200 {
        let [free, bounded] = [&free, &bounded].map(|stream| stream.example(index).unwrap());
        assert!(bounded.solution[0][0].abs() <= 8.5);
        if free.solution[0][0].abs() < 8.4 {
            assert_eq!(free, bounded);
        } else {
            redrawn += usize::from(free != bounded);
        }
    }
    assert!(redrawn > 30, "{redrawn}");
}

#[test]
fn an_error_says_why_no_draw_is_usable() {
    let stream = stream("add", "5", Split::Train).with_input(Integers::up_to(0.0));
    let message = stream.example(3).unwrap_err().to_string();
    assert!(
        message.starts_with("example 3 of add 5 uniform (train): none of 1000 draws"),
        "{message}"
    );
    assert!(
        message.contains("cannot be written in integers: magnitudes up to 0"),
        "{message}"
    );
}

#[test]
fn sizes_vary_by_example_and_by_batch_reproducibly() {
    let stream = stream("svd", "2-4x3-5", Split::Train);
    let sizes: Vec<Shape> = (0..100).map(|i| stream.size(i)).collect();
    let batches: Vec<Shape> = (0..100).map(|i| stream.batch_size_at(i)).collect();
    assert_ne!(sizes, batches);
    assert_eq!(sizes, (0..100).map(|i| stream.size(i)).collect::<Vec<_>>());
    assert!(
        sizes
            .iter()
            .chain(&batches)
            .all(|size| stream.specification().dimensions().contains(*size))
    );
    assert!(sizes.iter().any(|size| size.rows != sizes[0].rows) && sizes.iter().any(|size| size.cols != sizes[0].cols));
    let operand: &Matrix = &stream.example(0).unwrap().operands[0];
    assert_eq!(Shape::of(operand), sizes[0]);
}
