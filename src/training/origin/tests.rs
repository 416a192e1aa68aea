use super::*;
use tch::Kind;

fn recipe(dim: &str, more: &[&str]) -> Recipe {
    let text = format!("problem = \"eigenvalues\"\ndim = \"{dim}\"\n[model]\nwidth = 16\nheads = 2\ndecoder_heads = 2");
    let more: Vec<String> = more.iter().map(|text| text.to_string()).collect();
    Recipe::parse(&text, &more).unwrap()
}

fn origin(recipe: &Recipe) -> Origin {
    Origin {
        name: "base".into(),
        recipe: recipe.clone(),
        model: recipe.build(Device::Cpu),
    }
}

/// The models of two recipes, after the weights of `from` were copied into the model of `to`.
fn copied(from: &Recipe, to: &Recipe) -> (Model, Model) {
    let origin = origin(from);
    origin.check(to).unwrap();
    let mut other = to.clone();
    other.training.seed += 1;
    let model = other.build(Device::Cpu);
    origin.copy_into(&model, to).unwrap();
    (origin.model, model)
}

fn rows(model: &Model, name: &str, places: &[i64]) -> Tensor {
    model.variables()[name].index_select(0, &Tensor::from_slice(places))
}

#[test]
fn the_same_size_gives_the_same_model() {
    for more in [&[][..], &["model.decoder=autoregressive", "encoding.input=P1000"]] {
        let (from, to) = copied(
            &recipe("3", more),
            &recipe("3", &[more, &["data.magnitude=1"]].concat()),
        );
        assert_eq!(from.variables(), to.variables());
    }
}

#[test]
fn a_larger_size_has_the_entries_of_the_same_coefficients() {
    let (from, to) = copied(&recipe("2", &[]), &recipe("3", &[]));
    for table in [
        "source.positions.row",
        "source.positions.column",
        "decoder.positions.row",
    ] {
        assert_eq!(rows(&from, table, &[0, 1, 2]), rows(&to, table, &[0, 1, 2]), "{table}");
    }
    let flat = "source.positions.flat";
    assert_eq!(rows(&from, flat, &[0, 1, 2, 3]), rows(&to, flat, &[0, 1, 3, 4]));
    assert_ne!(rows(&from, flat, &[2]), rows(&to, flat, &[2]));
    // Eigenvalues are a column: the first two stay the first two.
    assert_eq!(
        rows(&from, "decoder.positions.flat", &[0, 1]),
        rows(&to, "decoder.positions.flat", &[0, 1])
    );
    let name = "encoder.layers.0.";
    let layer = from
        .variables()
        .into_iter()
        .find(|(key, _)| key.starts_with(name))
        .unwrap();
    assert_eq!(to.variables()[&layer.0], layer.1);
}

#[test]
fn a_smaller_size_has_them_too() {
    let (from, to) = copied(&recipe("3", &[]), &recipe("2", &[]));
    let flat = "source.positions.flat";
    assert_eq!(rows(&from, flat, &[0, 1, 3, 4]), rows(&to, flat, &[0, 1, 2, 3]));
}

#[test]
fn half_a_matrix_has_the_entries_of_its_coefficients() {
    let half = ["encoding.input=triangle"];
    let (from, to) = copied(&recipe("2", &[]), &recipe("2", &half));
    let flat = "source.positions.flat";
    assert_eq!(rows(&from, flat, &[0, 2, 3]), to.variables()[flat]);
    // With a range of sizes, entries are matched by position, as for whole matrices.
    let (from, to) = copied(&recipe("2", &half), &recipe("2-3", &half));
    assert_eq!(from.variables()[flat], rows(&to, flat, &[0, 1, 2]));
    let range = recipe("2-3", &half);
    let message = origin(&recipe("2-3", &[])).check(&range).unwrap_err().to_string();
    assert!(
        message.contains("\"values\", but the recipe has \"triangle\""),
        "{message}"
    );
}

#[test]
fn a_condensed_form_has_the_entries_of_its_coefficients() {
    let inverse = |more: &[&str]| recipe("2", &[&["problem=inverse"], more].concat());
    let (from, to) = copied(&inverse(&[]), &inverse(&["encoding.input=condensed"]));
    let flat = "source.positions.flat";
    assert_eq!(rows(&from, flat, &[0, 1, 3]), to.variables()[flat]);
}

#[test]
fn digits_that_are_read_may_be_more_where_they_have_no_features() {
    let five = ["encoding.input=values:5"];
    let (from, to) = copied(&recipe("2", &[]), &recipe("2", &five));
    assert_eq!(from.variables(), to.variables());
    let one_hot = ["model.value_features=digits"];
    let message = origin(&recipe("2", &one_hot))
        .check(&recipe("2", &[one_hot, five].concat()))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("\"values:3\", but the recipe has \"values:5\""),
        "{message}"
    );
}

/// The encoder's output for the values of a 2x2 matrix.
fn encoded(model: &Model, values: &Tensor) -> Tensor {
    model.encode(
        values,
        &model.source_positions(Shape::new(2, 2)),
        model.pass(Kind::Float),
    )
}

#[test]
fn a_range_that_grows_keeps_its_places() {
    let (from, to) = copied(&recipe("2", &[]), &recipe("2-3", &[]));
    let flat = "source.positions.flat";
    assert_eq!(rows(&from, flat, &[0, 1, 2, 3]), rows(&to, flat, &[0, 1, 2, 3]));
    // The model answers the matrices that it knew as before.
    let values = Tensor::from_slice(&[1f32, 2.0, 2.0, -3.0]).view([1, 4]);
    assert_eq!(encoded(&from, &values), encoded(&to, &values));
}

#[test]
fn a_grid_that_grows_keeps_its_rows_and_columns() {
    let pair = |dim: &str| {
        let text = format!(
            "problem = \"eigenvalues\"\ndim = {dim}\n[model]\narchitecture = \"pair\"\npositions = \"flat\"\nwidth = 16\nencoder_layers = 1"
        );
        Recipe::parse(&text, &[]).unwrap()
    };
    let (from, to) = copied(&pair("2"), &pair("3"));
    let values = Tensor::from_slice(&[1f32, 2.0, 2.0, -3.0]).view([1, 4]);
    assert_eq!(encoded(&from, &values), encoded(&to, &values));
}

#[test]
fn a_deeper_encoder_begins_with_the_answers_of_its_origin() {
    let (from, to) = copied(&recipe("2", &[]), &recipe("2", &["model.encoder_layers=4"]));
    let values = Tensor::from_slice(&[1f32, 2.0, 2.0, -3.0]).view([1, 4]);
    assert_eq!(encoded(&from, &values), encoded(&to, &values));
    // The added layers can be trained, because only their output weights are zero.
    let variables = to.variables();
    let is_zero = |name: &str| {
        variables[&format!("encoder.layers.3.{name}.weight")]
            .abs()
            .sum(Kind::Float)
            .double_value(&[])
            == 0.0
    };
    assert!(is_zero("attention.out") && is_zero("feedforward.down"));
    assert!(!is_zero("attention.qkv") && !is_zero("feedforward.up"));
}

#[test]
fn tokens_of_no_coefficient_are_told_apart_by_their_order() {
    let more = [
        "model.decoder=autoregressive",
        "encoding.input=P1000",
        "model.positions=flat",
    ];
    let (from, to) = copied(&recipe("1", &more), &recipe("2", &more));
    // <s> V1 V1 + 1 E0 <s>, and <s> V2 V2 with four coefficients of three tokens before the last <s>.
    let flat = "source.positions.flat";
    assert_eq!(
        rows(&from, flat, &[0, 1, 2, 3, 4, 5, 6]),
        rows(&to, flat, &[0, 1, 2, 3, 4, 5, 15])
    );
}

#[test]
fn another_problem_of_the_same_operands_begins_with_what_both_have() {
    let (values, vectors) = (recipe("2", &[]), recipe("2", &["problem=eigenvectors"]));
    let (from, to) = copied(&values, &vectors);
    for name in ["encoder.layers.0.attention.qkv.weight", "source.positions.flat"] {
        assert_eq!(from.variables()[name], to.variables()[name], "{name}");
    }
    // Values come first in both answers.
    let flat = "decoder.positions.flat";
    assert_eq!(rows(&from, flat, &[0, 1]), rows(&to, flat, &[0, 1]));
    assert_eq!(to.variables()[flat].size()[0], 6);
    let (_, back) = copied(&vectors, &values);
    assert_eq!(back.variables()[flat].size()[0], 2);
    let (from, to) = copied(
        &recipe("2", &["problem=singular-values"]),
        &recipe("2", &["problem=inverse"]),
    );
    assert_eq!(
        from.variables()["source.positions.flat"],
        to.variables()["source.positions.flat"]
    );
}

#[test]
fn other_ingredients_are_named_with_both_values() {
    let base = recipe("2", &[]);
    let origin = origin(&base);
    let cases = [
        ("model.width=32", "model.width = 16, but the recipe has 32"),
        (
            "encoding.output=P1000:4",
            "encoding.output = \"P1000:3\", but the recipe has \"P1000:4\"",
        ),
        ("encoding.input=P10", "encoding.input = \"values\""),
        (
            "problem=inverse",
            "problem = \"eigenvalues\", but the recipe has \"inverse\"",
        ),
        ("model.activation=relu", "model.activation = \"gelu\""),
        (
            "model.encoder_layers=1",
            "may differ, and the encoder of a pre-norm transformer may have more layers",
        ),
    ];
    for (set, part) in cases {
        let sets = [set, "model.positions=flat"];
        let message = origin
            .check(&recipe("3", &sets[..if set.ends_with("P10") { 2 } else { 1 }]))
            .unwrap_err();
        assert!(message.to_string().contains(part), "{message}");
    }
    let lstm = "problem = \"eigenvalues\"\ndim = 3\n[model]\narchitecture = \"lstm\"\nwidth = 16\ndecoder_heads = 2";
    let message = origin
        .check(&Recipe::parse(lstm, &[]).unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("model.architecture = Laformer, but the recipe has Lstm"),
        "{message}"
    );
    for free in [
        "model.max_dim=6",
        "model.readout=mode",
        "data.spectrum=laplace",
        "data.noise=0.1",
        "training.steps=5",
    ] {
        origin.check(&recipe("4", &[free])).unwrap();
    }
}
