//! The exported module beside the Rust model that it was traced from.

use laformer::batch::Batcher;
use laformer::dataset::{Case, Example, Format, Source, Stream};
use laformer::evaluation::Search;
use laformer::matrix::{Matrix, Shape, Split, row_major};
use laformer::problem::{self, Form};
use laformer::torchscript::{export, method_name};
use laformer::training::Recipe;
use serde_json::json;
use std::fs;
use tch::{CModule, Device, IValue, Kind, Tensor};

/// A toy model of a problem with random parameters.
fn recipe(problem: &str, more: &str) -> Recipe {
    let text =
        format!("problem = \"{problem}\"\n[model]\nwidth = 16\nheads = 2\ndecoder_heads = 2\nencoder_layers = 1\n");
    let overrides: Vec<String> = more.split_whitespace().map(str::to_string).collect();
    Recipe::parse(&text, &overrides).unwrap()
}

/// `[batch, rows, cols]`, or `[batch, rows]` of a column.
fn stacked<'a>(matrices: impl Iterator<Item = &'a Matrix>, form: Form) -> Tensor {
    let matrices: Vec<&Matrix> = matrices.collect();
    let shape = Shape::of(matrices[0]);
    let values: Vec<f64> = matrices.iter().flat_map(|matrix| row_major(matrix)).collect();
    let stacked = Tensor::from_slice(&values).view([matrices.len() as i64, shape.rows as i64, shape.cols as i64]);
    match form {
        Form::Matrix => stacked,
        Form::Column => stacked.squeeze_dim(2),
        Form::Transposed => stacked.transpose(1, 2),
    }
}

fn tensors(answer: IValue) -> Vec<Tensor> {
    match answer {
        IValue::Tensor(tensor) => vec![tensor],
        IValue::Tuple(values) => values.into_iter().flat_map(tensors).collect(),
        other => panic!("solve answers tensors, not {other:?}"),
    }
}

/// How many of the examples `[batch, ..]` have another answer. The same digits are interpolated by probabilities of fp32, and digits that
/// are equally probable may fall either way.
fn different(found: &Tensor, expected: &Tensor) -> i64 {
    let near = found.isclose(expected, 1e-4, 0.0, false);
    let different = near.logical_not().flatten(1, -1).any_dim(1, false);
    different.sum(Kind::Int64).int64_value(&[])
}

#[test]
fn answers_are_those_of_the_rust_model_on_a_thousand_matrices_of_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    for problem in problem::ALL {
        let flavors: &[&str] = if problem.needs_square() {
            &[
                "dim=3",
                "dim=2 model.decoder=autoregressive encoding.input=P1000 encoding.output=B1999",
            ]
        } else {
            &[
                "rows=2 cols=3",
                "dim=2 model.decoder=autoregressive encoding.input=FP15 encoding.output=P1000",
            ]
        };
        for flavor in flavors {
            let recipe = recipe(problem.name(), flavor);
            let model = recipe.build(Device::Cpu).unwrap();
            export(&model, &recipe, &json!({}), &path).unwrap();
            let module = CModule::load(&path).unwrap();
            let format = model.format();
            let stream = Stream::new(recipe.specification(Split::Test).unwrap(), 3, Split::Test)
                .encoded(format, recipe.data.targets);
            let examples: Vec<Example> = (0..1000)
                .map(|index| Source::example(&stream, index).unwrap())
                .collect();
            let size = recipe.dimensions().unwrap().max();
            let asked: Vec<&[Matrix]> = examples.iter().map(|example| example.operands.as_slice()).collect();
            let mut batcher = Batcher::new(format.clone());
            // As `laformer solve` asks: vectors have the sign of solutions.
            let answers = Search::default()
                .answers(&model, &mut batcher, size.into(), &asked)
                .unwrap();
            let operands =
                problem.operand_forms().iter().enumerate().map(|(i, form)| {
                    IValue::Tensor(stacked(examples.iter().map(|example| &example.operands[i]), *form))
                });
            let scripted = tensors(module.method_is("solve", &operands.collect::<Vec<_>>()).unwrap());
            assert_eq!(scripted.len(), problem.solution_forms().len());
            for (i, (scripted, form)) in scripted.iter().zip(problem.solution_forms()).enumerate() {
                let ours = stacked(answers.iter().map(|candidates| &candidates[0].solution[i]), *form);
                assert_eq!(scripted.kind(), Kind::Double);
                let different = different(scripted, &ours);
                assert!(
                    different <= 1,
                    "{} {flavor}: {different} of 1000 answers differ",
                    problem.name()
                );
            }
        }
    }
}

#[test]
fn halved_modules_take_half_the_space_and_answer_as_the_halved_rust_model() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, halved] = ["whole.pt", "halved.pt"].map(|name| folder.path().join(name));
    for flavor in [
        "dim=2 model.activation=bilinear",
        "dim=2 model.decoder=autoregressive model.architecture=paper model.decoder_layers=1",
        "dim=2 model.architecture=lstm model.heads=1",
        "dim=2 model.architecture=gru model.heads=1 model.decoder=parallel",
    ] {
        let recipe = recipe("eigenvalues", &format!("{flavor} model.width=128"));
        let model = recipe.build(Device::Cpu).unwrap();
        export(&model, &recipe, &json!({}), &whole).unwrap();
        model.halve();
        export(&model, &recipe, &json!({}), &halved).unwrap();
        let [all, half] = [&whole, &halved].map(|path| fs::metadata(path).unwrap().len() as f64);
        assert!(half < 0.65 * all, "{half} of {all} bytes");
        let matrices = Tensor::from_slice(&[2.0, 1.0, 1.0, 3.0, -7.3, 0.2, 0.2, 9.9]).view([2, 2, 2]);
        let operands = [Matrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 3.0]), {
            Matrix::from_row_slice(2, 2, &[-7.3, 0.2, 0.2, 9.9])
        }];
        let source = Batcher::new(model.format().clone())
            .source(operands.iter().map(std::slice::from_ref))
            .unwrap();
        let ours = model.generate(&source, Shape::new(2, 2), 1).unwrap();
        let module = CModule::load(&halved).unwrap();
        let scripted = tensors(module.method_is("solve", &[IValue::Tensor(matrices)]).unwrap());
        let ours = stacked(ours.iter().map(|candidates| &candidates[0].solution[0]), Form::Column);
        assert_eq!(different(&scripted[0], &ours), 0, "{flavor}");
    }
}

#[test]
fn each_problem_of_a_co_trained_module_is_answered_as_by_the_rust_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    for (problems, flavor) in [
        ("matrix-vector+eigenvalues+svd", "dim=2-3"),
        (
            "add+singular-values",
            "rows=2 cols=3 encoding.input=P10 model.positions=flat",
        ),
        (
            "add+eigenvalues",
            "dim=2 model.decoder=autoregressive encoding.output=B1999",
        ),
        (
            "transpose+matrix-product",
            "rows=2 cols=1 model.architecture=paper model.width=16 model.decoder_heads=2 encoding.input=P10 encoding.output=P10",
        ),
    ] {
        let recipe = recipe(problems, flavor);
        let model = recipe.build(Device::Cpu).unwrap();
        export(&model, &recipe, &json!({}), &path).unwrap();
        let module = CModule::load(&path).unwrap();
        let size = recipe.dimensions().unwrap().max();
        for (task, specification) in recipe.specifications(Split::Test).unwrap().into_iter().enumerate() {
            let format = &model.formats()[task];
            let case = Case { task, size };
            let stream = Stream::new(specification, 3, Split::Test).encoded(format, recipe.data.targets);
            let mut examples = vec![Example::default(); 200];
            stream.fill_all(0..200, size, &mut examples).unwrap();
            let sources = |format: &Format| {
                let operands = examples.iter().map(|example| example.operands.as_slice());
                Batcher::new(format.clone()).source(operands).unwrap()
            };
            let asked: Vec<&[Matrix]> = examples.iter().map(|example| example.operands.as_slice()).collect();
            let mut batcher = Batcher::new(format.clone());
            let answers = Search::default().answers(&model, &mut batcher, case, &asked).unwrap();
            let method = method_name(format);
            let problem = format.problem;
            let operands: Vec<IValue> = (problem.operand_forms().iter().enumerate())
                .map(|(i, form)| IValue::Tensor(stacked(examples.iter().map(|example| &example.operands[i]), *form)))
                .collect();
            let call = |method: &str, arguments: &[IValue]| module.method_is(method, arguments);
            let scripted = tensors(call(&method, &operands).unwrap());
            assert_eq!(scripted.len(), problem.solution_forms().len());
            for (i, (scripted, form)) in scripted.iter().zip(problem.solution_forms()).enumerate() {
                let ours = stacked(answers.iter().map(|candidates| &candidates[0].solution[i]), *form);
                let different = different(scripted, &ours);
                assert!(different <= 1, "{method} {flavor}: {different} of 200 answers differ");
            }
            // What the module encodes is what the Rust model reads: the task, then the numbers.
            let source = call(&format!("{method}_encode"), &operands).unwrap();
            let IValue::Tensor(source) = source else {
                panic!("encode answers a tensor")
            };
            assert_eq!(source, sources(format), "{method} {flavor}");
            let sizes = [size.rows as i64, size.cols as i64];
            let generate = |method: &str| {
                let [rows, cols] = sizes.map(IValue::Int);
                let arguments = [IValue::Tensor(source.shallow_clone()), rows, cols];
                call(&format!("{method}_generate"), &arguments)
            };
            let IValue::Tensor(tokens) = generate(&method).unwrap() else {
                panic!("generate answers a tensor")
            };
            let decoded = call(&format!("{method}_decode"), &[IValue::Tensor(tokens.shallow_clone())]).unwrap();
            for (i, (decoded, form)) in tensors(decoded).iter().zip(problem.solution_forms()).enumerate() {
                let written = stacked(answers.iter().map(|candidates| &candidates[0].written[i]), *form);
                // Powers of ten beyond 10^22 are not exact.
                let near = decoded.isclose(&written, 1e-14, 1e-98, false);
                let different = near.logical_not().flatten(1, -1).any_dim(1, false);
                let different = different.sum(Kind::Int64).int64_value(&[]);
                assert!(
                    different <= 1,
                    "{method} {flavor}: {different} of 200 generated answers differ"
                );
            }
            let first = format.target_vocabulary().first();
            assert!(bool::try_from(tokens.select(1, 0).eq(first).all()).unwrap());
            let other = method_name(&model.formats()[(task + 1) % model.formats().len()]);
            let error = generate(&other).unwrap_err().to_string();
            assert!(error.contains("source was not encoded for"), "{error}");
        }
    }
}

#[test]
fn logits_of_the_loaded_module_are_those_of_the_rust_model_at_another_batch_and_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    for flavor in [
        "dim=2-4",
        "dim=2-4 model.decoder=autoregressive encoding.input=P1000",
        "dim=3 model.architecture=paper model.width=16 model.decoder_heads=2 encoding.input=P10 encoding.output=P10",
    ] {
        let recipe = recipe("eigenvalues", flavor);
        let model = recipe.build(Device::Cpu).unwrap();
        export(&model, &recipe, &json!({}), &path).unwrap();
        let module = CModule::load(&path).unwrap();
        let stream = Stream::new(recipe.specification(Split::Test).unwrap(), 3, Split::Test)
            .encoded(model.format(), recipe.data.targets);
        for step in 0..6 {
            let mut examples = Vec::new();
            let size = stream.fill_batch(step, 7, &mut examples).unwrap();
            let batch = Batcher::new(model.format().clone()).batch(size, &examples).unwrap();
            let ours = tch::no_grad(|| Tensor::cat(&model.logits(&batch.source, &batch.target, size, Kind::Float), -1));
            let tokens = match batch.target.dim() {
                2 => batch.target.shallow_clone(),
                _ => {
                    let mut tokens = Vec::new();
                    let vocabulary = model.format().target_vocabulary();
                    examples
                        .iter()
                        .for_each(|example| vocabulary.write(&example.solution, &mut tokens).unwrap());
                    Tensor::from_slice(&tokens).view([7, -1])
                }
            };
            let (rows, cols) = (IValue::Int(size.rows as i64), IValue::Int(size.cols as i64));
            let arguments = [
                IValue::Tensor(batch.source.shallow_clone()),
                IValue::Tensor(tokens),
                rows,
                cols,
            ];
            let IValue::Tensor(theirs) = module.method_is("forward", &arguments).unwrap() else {
                panic!("forward answers a tensor");
            };
            assert_eq!(theirs.size(), ours.size());
            let difference = (theirs - ours).abs().max().double_value(&[]);
            assert!(difference <= 1e-5, "{flavor} at {size}: {difference}");
        }
    }
}

#[test]
fn recipe_and_measures_travel_inside_the_module() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    let recipe = recipe("svd", "rows=2 cols=3");
    export(
        &recipe.build(Device::Cpu).unwrap(),
        &recipe,
        &json!({"accuracy": {"0.05": 0.5}}),
        &path,
    )
    .unwrap();
    let files = laformer::libtorch::read_extra_files(&path).unwrap();
    let inside: Recipe = serde_json::from_slice(&files["config.json"]).unwrap();
    assert_eq!(inside, recipe);
    let metrics: serde_json::Value = serde_json::from_slice(&files["metrics.json"]).unwrap();
    assert_eq!(metrics["accuracy"]["0.05"], 0.5);
    assert!(fs::metadata(&path).unwrap().len() > 10_000);
}
