//! Tests of the forward pass and of decoding.

mod architectures;

use super::*;
use crate::batch::{Batch, Batcher};
use crate::dataset::{Example, Target};
use crate::encoding;
use crate::matrix::Matrix;
use crate::problem;
use tch::no_grad;

/// A small model of a problem at 3x3, and a batch of examples.
fn model(architecture: Architecture, problem: &str, input: &str, output: &str) -> (Model, Batch) {
    let mut config = Config::preset(architecture);
    (config.width, config.heads, config.decoder_heads) = (32, 4, 2);
    (config.encoder_layers, config.decoder_layers) = (2, 2);
    model_of(&config, problem, input, output)
}

fn model_of(config: &Config, problem: &str, input: &str, output: &str) -> (Model, Batch) {
    let format = format(config.decoder, problem, input, output);
    let size = Shape::new(3, 3);
    let model = seeded(5, || Model::new(config, &format, size, 10.0, Device::Cpu));
    let examples: Vec<Example> = (0..4u32).map(|i| example(&format, f64::from(i))).collect();
    let batch = Batcher::new(format).unwrap().batch(size, &examples).unwrap();
    (model, batch)
}

fn format(decoder: DecoderKind, problem: &str, input: &str, output: &str) -> Format {
    Format {
        problem: problem::named(problem).unwrap(),
        problems: problem::named(problem).unwrap().into(),
        input: input.parse().unwrap(),
        output: encoding::named(output).unwrap(),
        target: decoder.target(),
        deviation: None,
    }
}

fn example(format: &Format, shift: f64) -> Example {
    let size = Shape::new(3, 3);
    let operands: Vec<Matrix> = format
        .problem
        .operand_shapes(size)
        .iter()
        .map(|shape| {
            Matrix::from_fn(shape.rows, shape.cols, |i, j| {
                1.25 * (i + j) as f64 + shift - if i == j { 4.5 } else { 0.5 }
            })
        })
        .collect();
    let mut solution: Vec<Matrix> = format
        .problem
        .solution_shapes(size)
        .iter()
        .map(|shape| Matrix::zeros(shape.rows, shape.cols))
        .collect();
    format.problem.solve(&operands, &mut solution).unwrap();
    Example {
        operands,
        solution,
        clean: Vec::new(),
    }
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

const SIZE: Shape = Shape::new(3, 3);

#[test]
fn decoding_with_a_cache_equals_decoding_without() {
    no_grad(|| {
        let (model, batch) = model(Architecture::Paper, "eigenvalues", "P1000", "P1000");
        let all = &model.logits(&batch.source, &batch.target, SIZE, Kind::Float)[0];
        let Decoder::Autoregressive(decoder) = model.decoder() else {
            panic!("the paper's decoder is autoregressive")
        };
        let pass = model.pass(Kind::Float);
        let memory = model.encode(&batch.source, &model.source_positions(SIZE), pass);
        let (cross, mut cache) = decoder.start(&memory, pass.kind);
        let positions = model.target_positions(SIZE);
        for step in 0..positions.size()[0] {
            let (tokens, place) = (batch.target.narrow(1, step, 1), positions.narrow(0, step, 1));
            let (logits, longer) = decoder.step(&tokens, &place, &cross, &cache, None, pass);
            cache = longer;
            assert!(largest_difference(&logits, &all.select(1, step)) < 1e-5, "step {step}");
        }
    });
}

#[test]
fn a_token_does_not_depend_on_later_ones() {
    no_grad(|| {
        let (model, batch) = model(Architecture::Paper, "eigenvalues", "P1000", "P1000");
        let logits = |target: &Tensor| model.logits(&batch.source, target, SIZE, Kind::Float).remove(0);
        let before = logits(&batch.target);
        let changed = batch.target.copy();
        let _ = changed.narrow(1, 6, 2).fill_(3);
        let after = logits(&changed);
        assert_eq!(largest_difference(&before.narrow(1, 0, 6), &after.narrow(1, 0, 6)), 0.0);
        assert!(largest_difference(&before.narrow(1, 6, 2), &after.narrow(1, 6, 2)) > 1e-4);
    });
}

#[test]
fn both_attention_kernels_agree_in_value_and_gradient() {
    for (architecture, input) in [(Architecture::Laformer, "values"), (Architecture::Paper, "P1000")] {
        let (model, batch) = model(architecture, "eigenvalues", input, "P1000");
        let positions = (model.source_positions(SIZE), model.target_positions(SIZE));
        let target = match model.format().target {
            Target::Classes => batch.target.shallow_clone(),
            Target::Tokens => batch.target.narrow(1, 0, batch.target.size()[1] - 1),
        };
        let run = |kernel| {
            let pass = Pass {
                kernel,
                kind: Kind::Float,
            };
            let logits = model.logits_at(&batch.source, &positions.0, &target, &positions.1, pass);
            let loss = logits
                .iter()
                .map(|logits| logits.square().mean(Kind::Float))
                .reduce(|a, b| a + b)
                .unwrap();
            let variables = model.variables();
            for variable in variables.values().filter(|variable| variable.requires_grad()) {
                variable.shallow_clone().zero_grad();
            }
            loss.backward();
            let gradients: Vec<_> = variables
                .into_values()
                .filter(|variable| variable.requires_grad())
                .map(|variable| variable.grad().copy())
                .collect();
            (logits, gradients)
        };
        let (written, fused) = (run(Kernel::Written), run(Kernel::Fused));
        for (a, b) in written.0.iter().zip(&fused.0).chain(written.1.iter().zip(&fused.1)) {
            assert!(largest_difference(a, b) < 1e-5);
        }
    }
}

#[test]
fn every_parameter_of_every_architecture_gets_a_gradient() {
    for (architecture, input, output) in [
        (Architecture::Laformer, "values", "P1000:4"),
        (Architecture::Laformer, "FP15", "B1999"),
        (Architecture::Paper, "P10", "P10"),
    ] {
        let (model, batch) = model(architecture, "inverse", input, output);
        let logits = model.logits(&batch.source, &batch.target, SIZE, Kind::Float);
        logits
            .iter()
            .map(|logits| logits.square().mean(Kind::Float))
            .reduce(|a, b| a + b)
            .unwrap()
            .backward();
        for (name, variable) in model
            .variables()
            .into_iter()
            .filter(|(_, variable)| variable.requires_grad())
        {
            let gradient = variable.grad();
            assert!(
                gradient.defined() && gradient.abs().max().double_value(&[]) > 0.0,
                "{name} gets no gradient"
            );
        }
    }
}

/// A small model of several problems at 2x2 and 3x3.
fn co_trained(architecture: Architecture, input: &str) -> Model {
    let mut config = Config::preset(architecture);
    (config.width, config.heads, config.decoder_heads) = (32, 4, 2);
    (config.encoder_layers, config.decoder_layers) = (1, 1);
    let problems: problem::Problems = "transpose+add+eigenvalues".parse().unwrap();
    let format = Format {
        problems,
        ..format(config.decoder, "transpose", input, "P1000")
    };
    seeded(5, || Model::new(&config, &format, SIZE, 10.0, Device::Cpu))
}

#[test]
fn a_task_changes_encoding_and_answer() {
    for (architecture, input) in [
        (Architecture::Laformer, "values"),
        (Architecture::Laformer, "P1000"),
        (Architecture::Paper, "P1000"),
    ] {
        no_grad(|| {
            let model = co_trained(architecture, input);
            let pass = model.pass(Kind::Float);
            let operand = Matrix::from_fn(3, 3, |i, j| 1.25 * (i + j) as f64 - 2.0);
            // Transpose and eigenvalues read the same matrix.
            let memories = [0, 2].map(|task| {
                let format = &model.formats()[task];
                let mut example = Example::zeros(format.problem, SIZE);
                example.operands[0] = operand.clone();
                let source = Batcher::new(format.clone())
                    .unwrap()
                    .batch(SIZE, &[example])
                    .unwrap()
                    .source;
                let tasks = model.tasks_of(&source).unwrap();
                assert_eq!(Vec::<i64>::try_from(tasks).unwrap(), [task as i64]);
                model.encode(&source, &model.source_positions(Case { task, size: SIZE }), pass)
            });
            assert!(largest_difference(&memories[0], &memories[1]) > 1e-3);
            if let Decoder::Parallel(decoder) = model.decoder() {
                let positions = model.target_positions(SIZE);
                let hidden = [0i64, 2].map(|task| {
                    let tasks = Tensor::from_slice(&[task]);
                    decoder.query(&memories[0], None, &positions, Some(&tasks), pass)
                });
                assert!(
                    largest_difference(&hidden[0], &hidden[1]) > 1e-3,
                    "queries know the task too"
                );
            }
        });
    }
}

#[test]
fn only_a_model_of_several_problems_has_parameters_for_tasks() {
    let names = |model: &Model| -> Vec<String> {
        let names = model.variables().into_keys();
        names.filter(|name| name.contains("tasks")).collect()
    };
    let (alone, _) = model(Architecture::Laformer, "add", "values", "P1000");
    assert_eq!(names(&alone), [""; 0]);
    assert!(
        alone
            .tasks_of(&Tensor::zeros([1, 9], (Kind::Float, Device::Cpu)))
            .is_none()
    );
    let values = co_trained(Architecture::Laformer, "values");
    assert_eq!(names(&values), ["decoder.tasks", "source.tasks"]);
    assert_eq!(names(&co_trained(Architecture::Laformer, "P1000")), ["decoder.tasks"]);
    assert_eq!(
        names(&co_trained(Architecture::Paper, "P1000")),
        [""; 0],
        "tokens name the task"
    );
}

#[test]
fn recording_attention_does_not_change_the_output() {
    for (architecture, input, maps) in [
        (Architecture::Laformer, "values", 2 + 2 * 2),
        (Architecture::Paper, "P1000", 6),
    ] {
        let (model, batch) = model(architecture, "inverse", input, "P1000");
        let logits = || model.logits(&batch.source, &batch.target, SIZE, Kind::Float);
        let plain = logits();
        let (recorded, found) = record_attention(logits);
        assert!(plain.iter().zip(&recorded).all(|(a, b)| a == b));
        assert_eq!(found.len(), maps);
        for map in found {
            let sums = map.weights.sum_dim_intlist(-1, false, Kind::Float);
            assert!(largest_difference(&sums, &sums.ones_like()) < 1e-5);
            // Queries that are the same for all examples attend to one another only once.
            let is_shared =
                architecture == Architecture::Laformer && map.weights.size()[2] == 9 && map.weights.size()[0] == 1;
            assert!(is_shared || map.weights.size()[0] == 4, "{:?}", map.weights.size());
        }
        assert!(record_attention(|| ()).1.is_empty());
    }
}
