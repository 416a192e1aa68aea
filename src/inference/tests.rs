//! Compares the module with the Rust model that it was traced from, and tests properties of its answers.

mod codec;
mod condensed;

use super::*;
use crate::batch::{Batch, Batcher};
use crate::dataset::Example;
use crate::dataset::{Source, Stream};
use crate::encoding;
use crate::libtorch::seeded;
use crate::matrix::Split;
use crate::problem;
use crate::recipe::{Architecture, Config, DecoderKind, Positions, Recipe, ValueFeatures};

/// A small model with random parameters, and its module.
struct Toy {
    recipe: Recipe,
    model: Model,
    solver: Solver,
}

impl Toy {
    fn new(problem: &str, more: &str) -> Self {
        let heads = if more.contains("architecture=pair") {
            ""
        } else {
            "heads = 2\ndecoder_heads = 2\ndecoder_layers = 1\n"
        };
        let text = format!("problem = \"{problem}\"\n[model]\nwidth = 16\nencoder_layers = 1\n{heads}");
        // Without normalization, unless a test turns it on.
        let overrides = std::iter::once("encoding.normalize=false").chain(more.split_whitespace());
        let overrides: Vec<String> = overrides.map(str::to_string).collect();
        let recipe = Recipe::parse(&text, &overrides).unwrap();
        let model = recipe.build(Device::Cpu);
        let solver = recipe.solver(&model).unwrap();
        Self { recipe, model, solver }
    }

    /// Examples of a task at the largest size.
    fn examples(&self, task: usize, count: u64) -> (Case, Vec<Example>) {
        let size = self.recipe.dimensions.max();
        let format = &self.model.formats()[task];
        let specification = self.recipe.specifications(Split::Test).unwrap().swap_remove(task);
        let stream = Stream::new(specification, 3, Split::Test).encoded(format, self.recipe.data.targets);
        let mut examples = vec![Example::default(); count as usize];
        stream.fill_all(0..count, size, &mut examples).unwrap();
        (Case { task, size }, examples)
    }

    fn answers(&self, case: Case, examples: &[Example], beam: usize) -> Vec<Vec<Candidate>> {
        self.solver.answers(case, &operands(examples), beam).unwrap()
    }
}

fn operands(examples: &[Example]) -> Vec<&[Matrix]> {
    examples.iter().map(|example| example.operands.as_slice()).collect()
}

/// Logits of the module for a batch, and those of the model.
fn both_logits(model: &Model, solver: &Solver, batch: &Batch, examples: &[Example]) -> [Tensor; 2] {
    let ours = tch::no_grad(|| {
        Tensor::cat(
            &model.logits(&batch.source, &batch.target, batch.case(), Kind::Float),
            -1,
        )
    });
    let tokens = match batch.target.dim() {
        2 => batch.target.shallow_clone(),
        _ => {
            let mut tokens = Vec::new();
            let vocabulary = model.format_of(batch.case()).target_vocabulary();
            for example in examples {
                vocabulary.write(&example.solution, &mut tokens).unwrap();
            }
            Tensor::from_slice(&tokens).view([examples.len() as i64, -1])
        }
    };
    let sizes = [batch.size.rows as i64, batch.size.cols as i64];
    let theirs = solver
        .module
        .call("forward", &[batch.source.shallow_clone(), tokens], &sizes);
    [theirs.unwrap().remove(0), ours]
}

fn assert_close(a: &Tensor, b: &Tensor, what: &str) {
    assert_eq!(a.size(), b.size(), "{what}");
    let difference = (a - b).abs().max().double_value(&[]);
    assert!(difference <= 1e-5, "{what}: {difference}");
}

#[test]
fn logits_of_every_architecture_are_those_of_the_model() {
    let mut count = 0;
    for (name, config) in Config::variants() {
        for input in ["values", "P1000", "P10"] {
            let of_values = config.value_features == ValueFeatures::Digits || config.architecture == Architecture::Pair;
            if input == "P10" && config.positions != Positions::Flat || input != "values" && of_values {
                continue;
            }
            let format = Format {
                problem: problem::named("eigenvalues").unwrap(),
                problems: problem::named("eigenvalues").unwrap().into(),
                input: input.parse().unwrap(),
                output: encoding::named("P1000").unwrap(),
                target: match config.decoder {
                    DecoderKind::Autoregressive => Target::Tokens,
                    _ => Target::Classes,
                },
                deviation: None,
            };
            let dimensions: Dimensions = "2-4".parse().unwrap();
            let model = seeded(5, || Model::new(&config, &format, dimensions.max(), 10.0, Device::Cpu));
            let solver = Solver::new(&model, &dimensions).unwrap();
            let specification =
                crate::dataset::Specification::new(format.problem, dimensions, Default::default()).unwrap();
            let stream = Stream::new(specification, 3, Split::Test).encoded(&format, crate::dataset::Targets::Rounded);
            for step in 0..3 {
                let mut examples = Vec::new();
                let size = stream.fill_batch(step, 7, &mut examples).unwrap();
                // P10 writes zeros with fewer tokens, so the sequence is padded.
                examples[0].operands[0].fill(0.0);
                let batch = Batcher::new(format.clone()).unwrap().batch(size, &examples).unwrap();
                let [theirs, ours] = both_logits(&model, &solver, &batch, &examples);
                assert_close(&theirs, &ours, &format!("{name} {input} {size}"));
            }
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn answers_have_the_probability_that_the_model_gives_to_their_classes() {
    // In FP15, each number is one class. In other encodings, an untrained model may choose the digits 053, which are written as 530.
    for (problem, more) in [
        ("singular-values", "dim=3 encoding.output=FP15"),
        ("inverse", "dim=3 model.architecture=pair encoding.output=FP15"),
        (
            "add",
            "dim=2 encoding.input=P10 encoding.output=FP15 model.positions=flat",
        ),
    ] {
        let toy = Toy::new(problem, more);
        let (case, examples) = toy.examples(0, 20);
        let answers = toy.answers(case, &examples, 1);
        let written = examples.iter().zip(&answers).map(|(example, answers)| Example {
            solution: answers[0].solution.clone(),
            ..example.clone()
        });
        let written: Vec<Example> = written.collect();
        let batch = Batcher::new(toy.model.format().clone())
            .unwrap()
            .batch(case.size, &written)
            .unwrap();
        let logits = tch::no_grad(|| toy.model.logits(&batch.source, &batch.target, case, Kind::Float));
        let known = toy.model.in_prediction_order(&batch.target);
        let mut scores = vec![0.0; examples.len()];
        for (logits, rank) in logits.iter().zip(0..) {
            let chosen = logits
                .log_softmax(-1, Kind::Double)
                .gather(-1, &known.narrow(2, rank, 1), false);
            let sums = Vec::<f64>::try_from(chosen.flatten(1, -1).sum_dim_intlist(1, false, Kind::Double)).unwrap();
            scores.iter_mut().zip(sums).for_each(|(score, sum)| *score += sum);
        }
        for (answers, score) in answers.iter().zip(scores) {
            let found = answers[0].log_probability;
            assert!(
                (found - score).abs() < 1e-3 * score.abs(),
                "{problem}: {found}, {score}"
            );
        }
    }
}

#[test]
fn every_answer_decodes_even_of_an_untrained_model() {
    for output in ["P10", "P1000:5", "B1999", "FP15"] {
        for more in ["dim=3", "dim=3 model.architecture=paper encoding.input=P1000"] {
            let toy = Toy::new("svd", &format!("{more} encoding.output={output}"));
            let (case, examples) = toy.examples(0, 4);
            for answer in toy.answers(case, &examples, 1) {
                let shapes: Vec<_> = answer[0].solution.iter().map(Shape::of).collect();
                assert_eq!(shapes, toy.model.format().problem.solution_shapes(case.size));
                assert!(answer[0].solution.iter().flatten().all(|x| x.is_finite()));
            }
        }
    }
}

#[test]
fn a_beam_finds_an_answer_at_least_as_probable_as_greedy_decoding() {
    let toy = Toy::new("eigenvalues", "dim=3 model.architecture=paper");
    let (case, examples) = toy.examples(0, 4);
    let (greedy, beams) = (toy.answers(case, &examples, 1), toy.answers(case, &examples, 5));
    for (greedy, beams) in greedy.iter().zip(&beams) {
        assert_eq!(beams.len(), 5);
        assert!(beams.is_sorted_by(|a, b| a.log_probability >= b.log_probability));
        // fp32 sums near -80 are exact to about 1e-5.
        assert!(beams[0].log_probability >= greedy[0].log_probability - 1e-4);
        let mut answers: Vec<_> = beams.iter().map(|beam| format!("{:?}", beam.solution)).collect();
        answers.sort();
        answers.dedup();
        assert_eq!(answers.len(), 5, "candidates differ from each other");
    }
}

#[test]
fn no_answer_depends_on_the_padding_beside_it() {
    for more in [
        "model.architecture=paper encoding.input=P10 encoding.output=P10",
        "encoding.input=P10 model.positions=flat",
        "encoding.input=P10 model.architecture=gru model.heads=1",
    ] {
        let toy = Toy::new("transpose", &format!("dim=3 {more}"));
        let (case, mut examples) = toy.examples(0, 2);
        // Zeros need fewer tokens, so this example is padded to the length of the other.
        examples[1].operands[0].row_mut(1).fill(0.0);
        let together = toy.answers(case, &examples, 1);
        let alone = toy.answers(case, &examples[1..], 1);
        let [found, wanted] = [&together[1][0].solution[0], &alone[0][0].solution[0]];
        assert!(
            (found - wanted).amax() < 1e-3 * wanted.amax(),
            "{more}: {found} {wanted}"
        );
        assert!(
            (together[1][0].log_probability - alone[0][0].log_probability).abs() < 1e-3,
            "{more}"
        );
    }
}

#[test]
fn every_problem_of_a_set_is_answered_in_its_own_shapes() {
    for (problems, more) in [
        ("matrix-vector+eigenvalues+svd", "dim=2-3"),
        (
            "add+singular-values",
            "rows=2 cols=3 encoding.input=P10 model.positions=flat",
        ),
        (
            "add+eigenvalues",
            "dim=2 model.decoder=autoregressive encoding.output=B1999",
        ),
        ("matrix-vector+matrix-product", "dim=2-3 model.architecture=pair"),
    ] {
        let toy = Toy::new(problems, more);
        for task in 0..toy.model.formats().len() {
            let (case, examples) = toy.examples(task, 5);
            let format = &toy.model.formats()[task];
            for answers in toy.answers(case, &examples, 1) {
                let shapes: Vec<_> = answers[0].solution.iter().map(Shape::of).collect();
                assert_eq!(shapes, format.problem.solution_shapes(case.size), "{problems}");
            }
            let batch = Batcher::new(format.clone())
                .unwrap()
                .batch(case.size, &examples)
                .unwrap();
            let [theirs, ours] = both_logits(&toy.model, &toy.solver, &batch, &examples);
            assert_close(&theirs, &ours, problems);
        }
    }
}

#[test]
fn the_module_answers_with_the_weights_of_the_moment_also_after_it_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    let toy = Toy::new("eigenvalues", "dim=3");
    let (case, examples) = toy.examples(0, 20);
    let before = toy.answers(case, &examples, 1);
    toy.solver.save(&path, &BTreeMap::new()).unwrap();
    let saved = Solver::load(&Archive::read(&path).unwrap(), toy.model.format(), Device::Cpu).unwrap();
    tch::no_grad(|| {
        for mut variable in toy.model.variables().into_values() {
            let _ = variable.g_mul_scalar_(-1.5);
        }
    });
    assert_ne!(toy.answers(case, &examples, 1), before);
    assert_eq!(saved.answers(case, &operands(&examples), 1).unwrap(), before);
}

#[test]
fn halved_modules_take_half_the_space_and_answer_as_the_halved_model() {
    let folder = tempfile::tempdir().unwrap();
    for more in [
        "model.activation=bilinear",
        "model.decoder=autoregressive model.architecture=paper",
        "model.architecture=lstm model.heads=1",
        "model.architecture=pair",
    ] {
        let toy = Toy::new("eigenvalues", &format!("dim=2 model.width=128 {more}"));
        let size = |name: &str, solver: &Solver| {
            let path = folder.path().join(name);
            solver.save(&path, &BTreeMap::new()).unwrap();
            (std::fs::metadata(&path).unwrap().len() as f64, path)
        };
        let (whole, _) = size("whole.pt", &toy.solver);
        toy.model.halve();
        let halved = toy.recipe.solver(&toy.model).unwrap();
        let (half, path) = size("half.pt", &halved);
        assert!(half < 0.65 * whole, "{more}: {half} of {whole} bytes");
        let (case, examples) = toy.examples(0, 10);
        let loaded = Solver::load(&Archive::read(&path).unwrap(), toy.model.format(), Device::Cpu).unwrap();
        let [found, wanted] = [&loaded, &halved].map(|it| it.answers(case, &operands(&examples), 1).unwrap());
        assert_eq!(found, wanted, "{more}");
    }
}

#[test]
fn normalized_problems_are_answered_as_their_equivalents() {
    let toy = Toy::new("eigenvalues", "dim=3 encoding.normalize=true");
    let of = |matrix: &Matrix| {
        let operands = [matrix.clone()];
        toy.solver.answers(Shape::new(3, 3).into(), &[&operands], 1).unwrap()[0][0].solution[0].clone()
    };
    let matrix = Matrix::from_row_slice(3, 3, &[1.0, 2.0, -3.0, 2.0, 0.0, 4.0, -3.0, 4.0, -1.0]);
    let moved = &matrix * 100.0 + Matrix::identity(3, 3) * 700.0;
    let (answer, wanted) = (of(&moved), of(&matrix) * 100.0 + Matrix::from_element(3, 1, 700.0));
    assert!((&answer - &wanted).amax() < 1e-9 * wanted.amax(), "{answer} {wanted}");
    // Centering turns a multiple of the identity into a zero matrix.
    assert_eq!(of(&(Matrix::identity(3, 3) * 7.0)), Matrix::from_element(3, 1, 7.0));
}

#[test]
fn errors_are_sentences_without_a_traceback() {
    let toy = Toy::new("eigenvalues", "dim=3");
    let operands = [Matrix::from_element(3, 3, 1e20)];
    let error = toy
        .solver
        .answers(Shape::new(3, 3).into(), &[&operands], 1)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "1e+20 is too large: this model reads numbers of magnitudes below 1e18"
    );
}

#[test]
fn files_are_python_whose_first_method_is_found() {
    let file = "\"\"\"Docs.\"\"\"\n\nimport torch\n\n\n# Why.\ndef f(self) -> int:\n    return 1\n";
    assert_eq!(methods(file), "def f(self) -> int:\n    return 1\n");
    assert_eq!(Input::LARGEST_VALUE, 1e18);
}
