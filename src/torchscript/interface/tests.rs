//! The scripts, with stand-ins for models.

use super::stand_in::*;
use super::*;
use crate::problem;
use crate::torchscript::tests::python;
use std::sync::Arc;
use tch::{Device, IValue, Kind, Tensor};

fn matrices(shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>();
    (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 7 - 40).reshape(shape)
}

#[test]
fn a_batch_of_rectangular_matrices_is_transposed() {
    let model = Case::rectangular("transpose", 1..=4, 2..=3).save(parallel_methods(Rule::Transpose, false));
    let operands = matrices(&[3, 2, 3]);
    let answers = model.call("solve", &[&operands]);
    assert_eq!(answers, operands.transpose(1, 2).to_kind(Kind::Double));
    assert_eq!(model.call("solve", &[&operands.get(1)]), answers.get(1));
    assert_eq!(model.call("solve", &[&operands.to_kind(Kind::Int64)]), answers);
    assert_eq!(model.call("solve", &[&operands.narrow(0, 0, 0)]).size(), [0, 3, 2]);
}

#[test]
fn large_batches_are_cut_without_a_trace() {
    let model = Case::square("transpose", 2..=2).save(parallel_methods(Rule::Transpose, false));
    let operands = matrices(&[20_000, 2, 2]).remainder(90.0);
    assert_eq!(
        model.call("solve", &[&operands]),
        operands.transpose(1, 2).to_kind(Kind::Double)
    );
}

#[test]
fn vectors_come_in_every_form() {
    let model = Case::rectangular("matrix-vector", 1..=4, 1..=4).save(parallel_methods(Rule::MatrixVector, false));
    let matrix = (matrices(&[2, 2, 3]) / 7).round();
    let vector = Tensor::from_slice(&[1f32, -2.0, 3.0, 0.0, 1.0, 2.0]).reshape([2, 3]);
    let wanted = matrix
        .matmul(&vector.unsqueeze(-1))
        .squeeze_dim(-1)
        .to_kind(Kind::Double);
    assert_eq!(model.call("solve", &[&matrix, &vector]), wanted);
    assert_eq!(model.call("solve", &[&matrix, &vector.unsqueeze(-1)]), wanted);
    assert_eq!(model.call("solve", &[&matrix.get(0), &vector.get(0)]), wanted.get(0));
    assert_eq!(
        model.call("solve", &[&matrix.get(0), &vector.get(0).unsqueeze(-1)]),
        wanted.get(0)
    );
    let shared = model.call("solve", &[&matrix, &vector.get(0)]);
    assert_eq!(shared.get(0), wanted.get(0));
    assert_eq!(shared.size(), [2, 2]);

    let error = model.error("solve", &[&matrix.get(0), &Tensor::from_slice(&[1f32, 2.0])]);
    assert_eq!(error, "vector must be 3x1 beside a 2x3 matrix, not 2x1");
}

#[test]
fn several_matrices_are_shaped_as_numpy_does() {
    let model = Case::rectangular("svd", 1..=4, 1..=4).save(parallel_methods(Rule::Places, false));
    let answers = model.tuple("solve", &[&matrices(&[3, 2])]);
    let [u, s, v] = [
        Tensor::from_slice(&[0f64, 1.0, 4.0, 5.0, 8.0, 9.0]).reshape([3, 2]),
        Tensor::from_slice(&[20f64, 24.0]),
        Tensor::from_slice(&[40f64, 41.0, 44.0, 45.0]).reshape([2, 2]),
    ];
    assert_eq!(answers, [u, s, v.tr()]);
    let shapes: Vec<_> = model
        .tuple("solve", &[&matrices(&[1, 2, 4])])
        .iter()
        .map(Tensor::size)
        .collect();
    assert_eq!(shapes, [vec![1, 2, 2], vec![1, 2], vec![1, 2, 4]]);
}

#[test]
fn soft_answers_have_the_shapes_and_the_signs_of_hard_ones() {
    let model = Case::rectangular("svd", 1..=4, 1..=4).save(parallel_methods(Rule::Places, false));
    let operand = matrices(&[2, 3, 2]);
    let shapes = |method: &str| -> Vec<_> { model.tuple(method, &[&operand]).iter().map(Tensor::size).collect() };
    assert_eq!(shapes("soft_solve"), shapes("solve"));

    let model = Case::rectangular("transpose", 1..=4, 2..=3).save(parallel_methods(Rule::Transpose, false));
    let operand = matrices(&[3, 2, 3]);
    assert_eq!(
        model.call("soft_solve", &[&operand]).sign(),
        model.call("solve", &[&operand]).sign()
    );
}

#[test]
fn a_decoder_that_writes_tokens_has_no_soft_answer() {
    let model = Case::autoregressive("transpose", 2..=2).save(transposing_methods());
    assert_eq!(
        model.error("soft_solve", &[&matrices(&[2, 2])]),
        "soft_solve is for models that predict all coefficients at once (decoder = 'parallel'); this one writes token \
         after token"
    );
}

#[test]
fn every_problem_has_scripts() {
    for problem in problem::ALL {
        let case = match problem.needs_square() {
            true => Case::square(problem.name(), 2..=3),
            false => Case::rectangular(problem.name(), 2..=3, 2..=3),
        };
        let _ = case.save(parallel_methods(Rule::Places, false));
    }
}

#[test]
fn bad_operands_are_explained() {
    let model = Case::square("eigenvalues", 2..=3).save(parallel_methods(Rule::Places, false));
    let symmetric = Tensor::from_slice(&[1f32, 2.0, 2.0, 3.0]).reshape([2, 2]);
    assert_eq!(model.call("solve", &[&symmetric]), Tensor::from_slice(&[0f64, 4.0]));
    let off = &symmetric + Tensor::from_slice(&[0f32, 1e-6, 0.0, 0.0]).reshape([2, 2]);
    assert_eq!(model.call("solve", &[&off]).size(), [2]);
    for (operand, wanted) in [
        (
            matrices(&[2, 2]),
            "matrix must be symmetric: eigenvalues is made for symmetric matrices",
        ),
        (
            matrices(&[3]),
            "matrix must be [rows, cols] or [batch, rows, cols], not [3]",
        ),
        (
            matrices(&[2, 3]),
            "this model is made for eigenvalues of square 2x2 to 3x3 matrices; this one is 2x3",
        ),
        (
            matrices(&[4, 4]),
            "this model is made for eigenvalues of square 2x2 to 3x3 matrices; this one is 4x4",
        ),
        (&symmetric * f64::NAN, "matrix contains NaN or infinity"),
        (&symmetric * 100, "numbers must be below 100"),
        (symmetric.to_kind(Kind::ComplexFloat), "matrix must be real"),
    ] {
        assert_eq!(model.error("solve", &[&operand]), wanted);
    }
    let error = model
        .module
        .method_is("solve", &[IValue::Tensor(symmetric), IValue::Int(2)])
        .unwrap_err()
        .to_string();
    assert!(error.contains("beam must be 1, not 2"), "{error}");
}

#[test]
fn sources_answers_and_logits_of_a_parallel_decoder_agree() {
    let model = Case::square("transpose", 1..=3).save(parallel_methods(Rule::Transpose, false));
    let operands = matrices(&[2, 2, 2]);
    let source = model.call("encode", &[&operands]);
    assert_eq!(source, operands.flatten(1, -1));
    let tokens = model.call("generate", &[&source]);
    // -40 -33 -26 -19 transposed: <s> V2 V2 - 4 0 E0 - 2 6 E0 - 3 3 E0 - 1 9 E0 <s>
    let first: Vec<i64> = Vec::try_from(tokens.get(0)).unwrap();
    assert_eq!(
        first,
        [
            0, 3, 3, 103, 108, 104, 214, 103, 106, 110, 214, 103, 107, 107, 214, 103, 105, 113, 214, 0
        ]
    );
    assert_eq!(model.call("decode", &[&tokens]), model.call("solve", &[&operands]));

    let logits = model.call("forward", &[&source, &tokens]);
    assert_eq!(logits.size(), [2, 4, 223]);
    // Tens, sign, exponent, ones, as they are predicted: -40.
    let best = [(0, 10), (10, 2), (12, 201), (213, 10)].map(|(start, length)| {
        logits
            .get(0)
            .get(0)
            .narrow(0, start, length)
            .argmax(None, false)
            .int64_value(&[])
    });
    assert_eq!(best, [4, 1, 100, 0]);

    assert_eq!(
        model.error("generate", &[&source.narrow(1, 0, 3)]),
        "a source of 3 values does not tell its size: give rows and cols"
    );
    assert_eq!(
        model.error("decode", &[&tokens.narrow(1, 0, 9)]),
        "tokens end in the middle of a 2x2 matrix"
    );
    let illegal = tokens.shallow_clone();
    let _ = illegal.narrow(1, 3, 1).fill_(105);
    assert_eq!(
        model.error("forward", &[&source, &illegal]),
        "tokens do not write 4 numbers"
    );
}

#[test]
fn short_zeros_are_padded_and_masked() {
    let input = Input::Tokens(Arc::new(Tiny::new(true)));
    let case = Case {
        input,
        output: Tiny::new(true),
        ..Case::square("transpose", 2..=2)
    };
    let model = case.save(parallel_methods(Rule::Places, true));
    let operands = Tensor::from_slice(&[0f64, 12.0, 34.0, 0.0, 11.0, -22.0, 33.0, 44.0]).reshape([2, 2, 2]);
    let source = model.call("encode", &[&operands]);
    let rows: Vec<i64> = Vec::try_from(source.flatten(0, -1)).unwrap();
    let (first, second) = rows.split_at(20);
    assert_eq!(
        first,
        [
            0, 3, 3, 102, 104, 214, 102, 105, 106, 214, 102, 107, 108, 214, 102, 104, 214, 0, 1, 1
        ]
    );
    assert_eq!(
        second,
        [
            0, 3, 3, 102, 105, 105, 214, 103, 106, 106, 214, 102, 107, 107, 214, 102, 108, 108, 214, 0
        ]
    );
    // This stand-in counts unpadded tokens.
    let answers = model.call("solve", &[&operands]);
    assert_eq!(answers.get(0), Tensor::full([2, 2], 18.0, (Kind::Double, Device::Cpu)));
    assert_eq!(answers.get(1), Tensor::full([2, 2], 20.0, (Kind::Double, Device::Cpu)));
}

#[test]
fn short_zeros_of_answers_are_read_back() {
    let case = Case {
        output: Tiny::new(true),
        ..Case::square("transpose", 2..=3)
    };
    let model = case.save(parallel_methods(Rule::Transpose, false));
    let operands = Tensor::from_slice(&[0f64, 12.0, 34.0, 0.0, 11.0, -22.0, 33.0, 44.0]).reshape([2, 2, 2]);
    let tokens = model.call("generate", &[&model.call("encode", &[&operands])]);
    assert_eq!(tokens.size(), [2, 20]);
    assert_eq!(model.call("decode", &[&tokens]), operands.transpose(1, 2));
}

#[test]
fn an_autoregressive_decoder_transposes() {
    let model = Case::autoregressive("transpose", 2..=2).save(transposing_methods());
    let operands = matrices(&[3, 2, 2]);
    let wanted = operands.transpose(1, 2).to_kind(Kind::Double);
    assert_eq!(model.call("solve", &[&operands]), wanted);
    let beam = model
        .module
        .method_is("solve", &[IValue::Tensor(operands.get(0)), IValue::Int(3)])
        .unwrap();
    assert_eq!(Tensor::try_from(beam).unwrap(), wanted.get(0));

    let source = model.call("encode", &[&operands]);
    let tokens = model.call("generate", &[&source]);
    assert_eq!(model.call("decode", &[&tokens]), wanted);
    let logits = model.call("forward", &[&source, &tokens]);
    assert_eq!(logits.size(), [3, 19, 315]);
    // The words of the numbers, after V2 V2 and before the last <s>.
    assert_eq!(logits.argmax(-1, false).narrow(1, 2, 16), tokens.narrow(1, 3, 16));
}

#[test]
fn positions_are_those_of_the_layout() {
    let size = Shape::new(2, 3);
    let same = |model: &Loaded, method: &str, arguments: &[i64], wanted: Vec<[i64; 5]>| {
        let arguments: Vec<_> = arguments.iter().map(|&size| IValue::Int(size)).collect();
        let positions = Tensor::try_from(model.module.method_is(method, &arguments).unwrap()).unwrap();
        assert_eq!(positions, crate::batch::positions_tensor(&wanted, Device::Cpu));
    };
    let model = Case::rectangular("svd", 1..=4, 1..=4).save(parallel_methods(Rule::Places, false));
    same(
        &model,
        "source_positions",
        &[2, 3, 6],
        model.format.source_positions(size),
    );
    same(&model, "answer_positions", &[2, 3], model.format.target_positions(size));

    let case = Case {
        dimensions: Case::rectangular("svd", 1..=4, 1..=4).dimensions,
        ..Case::autoregressive("svd", 1..=1)
    };
    let model = case.save(transposing_methods());
    let wanted = model.format.source_positions(size);
    same(&model, "source_positions", &[2, 3, wanted.len() as i64], wanted);
    same(&model, "answer_positions", &[2, 3], model.format.target_positions(size));
}

#[test]
fn a_beam_finds_what_greed_misses() {
    let case = Case::autoregressive("transpose", 1..=1);
    let mut methods = transposing_methods();
    let cross = methods.pop().unwrap().samples.remove(2);
    // + is more probable than -, but then all digits are alike; after - they are surely 7 and 3.
    methods.push(step_method(&cross, |tokens, place, _, cache| {
        let words = Tensor::arange(315, (Kind::Double, Device::Cpu)).unsqueeze(0);
        let is = |word: f64| words.eq(word).to_kind(Kind::Double);
        let after_minus = |token: &Tensor| token.eq(103.0).to_kind(Kind::Double);
        let at = |index: f64| place.eq(index).to_kind(Kind::Double);
        let sign = at(2.0) * is(102.0) * 1.5f64.ln();
        let tens = at(3.0) * after_minus(tokens) * is(111.0) * 30.0;
        // The sign is the last token but one.
        let past = cache.select(0, 0).select(0, 0).select(1, 0).select(-1, 0);
        let before = Tensor::cat(&[&(tokens * 0.0), &past], 1).narrow(1, -1, 1);
        let ones = at(4.0) * after_minus(&before) * is(107.0) * 30.0;
        sign + tens + ones
    }));
    let model = case.save(methods);
    let solve = |beam: i64| {
        let arguments = [IValue::Tensor(matrices(&[2, 1, 1])), IValue::Int(beam)];
        Vec::<f64>::try_from(
            Tensor::try_from(model.module.method_is("solve", &arguments).unwrap())
                .unwrap()
                .flatten(0, -1),
        )
        .unwrap()
    };
    assert!(solve(1)[0] >= 0.0);
    assert_eq!(solve(2), [-73.0, -73.0]);
    assert_eq!(solve(200), [-73.0, -73.0]);
}

#[test]
fn python_solves_as_numpy_would() {
    let model = Case::rectangular("transpose", 1..=4, 2..=3).save(parallel_methods(Rule::Transpose, false));
    let program = r#"
import sys, torch
model = torch.jit.load(sys.argv[1])
matrix = torch.tensor([[1, 2], [3, -4], [50, 6]])
assert torch.equal(model.solve(matrix), matrix.T.double())
source = model.encode(matrix)
assert torch.equal(model.decode(model.generate(source, rows=3, cols=2)), matrix.T.double()[None])
try:
    model.solve(matrix.T[0])
except Exception as error:
    print([line for line in str(error).splitlines() if line.strip()][-1])
"#;
    let Some(output) = python(program, &[model.path.to_str().unwrap()]) else {
        return;
    };
    assert!(
        output.contains("ValueError: matrix must be [rows, cols] or [batch, rows, cols], not [3]"),
        "{output}"
    );
}
