//! Tests of accepted and refused recipes.

use super::*;
use crate::matrix::{Oversampling, Split};
use std::path::Path;

const MINIMAL: &str = "problem = \"eigenvalues\"\ndim = 3\n";

fn parsed(text: &str, overrides: &[&str]) -> anyhow::Result<Recipe> {
    let overrides: Vec<_> = overrides.iter().map(|text| text.to_string()).collect();
    Recipe::parse(text, &overrides)
}

fn error(text: &str, overrides: &[&str]) -> String {
    format!("{:#}", parsed(text, overrides).expect_err("the recipe is bad"))
}

#[test]
fn a_resolved_recipe_parses_to_itself() {
    let recipe = Recipe::parse(MINIMAL, &["training.batch_size=128".into()]).unwrap();
    assert_eq!(recipe.training.batch_size, 128);
    assert_eq!(Recipe::parse(&recipe.to_toml().unwrap(), &[]).unwrap(), recipe);
}

#[test]
fn the_paper_preset_sets_only_keys_that_are_not_given() {
    let text = format!("{MINIMAL}[model]\narchitecture = \"paper\"\nwidth = 64\n");
    let recipe = Recipe::parse(&text, &[]).unwrap();
    assert_eq!((recipe.model.width, recipe.model.encoder_layers), (64, 6));
    assert_eq!(recipe.encoding.texts().input, "P1000");
    assert_eq!(recipe.training.optimizer, OptimizerKind::Adamw);
}

#[test]
fn unknown_keys_are_named_with_the_nearest_valid_one() {
    let text = error(&format!("{MINIMAL}[training]\nbatchsize = 3\n"), &[]);
    assert!(
        text.contains("training.batchsize") && text.contains("did you mean batch_size"),
        "{text}"
    );
    assert!(error(MINIMAL, &["trainning.steps=3"]).contains("did you mean training"));
}

#[test]
fn bad_values_name_key_value_and_what_is_allowed() {
    let text = error(MINIMAL, &["training.optimizer=adam"]);
    assert!(
        text.contains("training.optimizer") && text.contains("adam") && text.contains("muon"),
        "{text}"
    );
    let text = error(MINIMAL, &["model.heads=5"]);
    assert!(text.contains("model.heads = 5") && text.contains("128"), "{text}");
    assert!(error(MINIMAL, &["training.steps=-1"]).contains("training.steps"));
    assert!(error(MINIMAL, &["training.clip=-1"]).contains("training.clip = -1"));
    assert!(error(MINIMAL, &["data.spectrum=lapace"]).contains("laplace"));
    assert!(error(MINIMAL, &["data.sign_bias=1.5"]).contains("data.sign_bias: the sign bias is `1.5`"));
    assert!(
        error(MINIMAL, &["data.small_share=2"]).contains("data.small_share: the share of small coefficients is `2`")
    );
    assert!(
        error(MINIMAL, &["data.singular_share=nan"])
            .contains("data.singular_share: the share of nearly singular draws is `NaN`")
    );
    assert!(error(MINIMAL, &["data.large_share=-1"]).contains("data.large_share: the share of large draws is `-1`"));
    for noise in ["data.noise=-0.1", "data.noise=nan", "data.noise=inf"] {
        assert!(error(MINIMAL, &[noise]).contains("data.noise: the noise is"));
    }
    assert!(error("dim = 3", &[]).contains("problem = "));
    assert!(error("problem = \"eigenvalue\"\ndim=3", &[]).contains("eigenvalues"));
    assert!(error("problem = \"inverse\"\nrows = 3\ncols = 4", &[]).contains("inverse"));
}

#[test]
fn only_training_examples_are_oversampled() {
    let sets = [
        "data.sign_bias=0.5",
        "data.small_share=0.3",
        "data.large_share=0.2",
        "data.singular_share=0.1",
        "data.structured_share=0.4",
    ];
    let recipe = Recipe::parse(MINIMAL, &sets.map(String::from)).unwrap();
    let drawn = |split| recipe.distribution(split).oversampling;
    let oversampling = Oversampling {
        sign_bias: 0.5,
        small: 0.3,
        large: 0.2,
        singular: 0.1,
        structured: 0.4,
    };
    assert_eq!(
        Split::ALL.map(drawn),
        [oversampling, Oversampling::default(), Oversampling::default()]
    );
}

#[test]
fn every_recipe_of_the_repository_is_valid() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("sweep.toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                Recipe::parse(&text, &[]).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
                count += 1;
            }
        }
    }
    assert!(count > 5, "{count} recipes found");
}

#[test]
fn values_have_features_and_tokens_have_none() {
    let text = error(MINIMAL, &["encoding.input=P1000", "model.value_features=digits"]);
    assert!(
        text.contains("model.value_features = \"digits\"") && text.contains("values"),
        "{text}"
    );
}

#[test]
fn only_symmetric_problems_take_triangle_input() {
    assert!(Recipe::parse(MINIMAL, &["encoding.input=triangle".into()]).is_ok());
    for problem in ["transpose", "svd", "add+eigenvalues"] {
        let text = error(MINIMAL, &["encoding.input=triangle", &format!("problem={problem}")]);
        assert!(
            text.contains(&format!("\"{problem}\"")) && text.contains("symmetric"),
            "{text}"
        );
    }
}

#[test]
fn only_inverses_take_condensed_input() {
    assert!(parsed(MINIMAL, &["encoding.input=condensed", "problem=inverse"]).is_ok());
    for problem in ["add", "eigenvalues", "inverse+svd"] {
        let text = error(MINIMAL, &["encoding.input=condensed", &format!("problem={problem}")]);
        assert!(
            text.contains(&format!("\"{problem}\"")) && text.contains("only inverses"),
            "{text}"
        );
    }
}

#[test]
fn recipes_of_earlier_versions_load_if_their_meaning_is_unchanged() {
    let inverse = ["problem=inverse", "encoding.input=condensed"];
    let harmless = ["encoding.canonical=false", "loss.mantissa=1", "training.momentum=0.95"];
    assert_eq!(parsed(MINIMAL, &harmless).unwrap(), parsed(MINIMAL, &[]).unwrap());
    assert!(parsed(MINIMAL, &[&inverse[..], &["encoding.canonical=true"]].concat()).is_ok());
    for overrides in [
        vec!["encoding.canonical=true"],
        [&inverse[..], &["encoding.canonical=false"]].concat(),
        vec!["loss.mantissa=2"],
        vec!["model.activation=swiglu"],
    ] {
        let text = error(MINIMAL, &overrides);
        let key = overrides[overrides.len() - 1].split('=').next().unwrap();
        assert!(
            text.contains(key) && text.contains("removed") && text.contains("laformer 0.1"),
            "{text}"
        );
    }
}

#[test]
fn p10_tokens_refuse_row_and_column_positions() {
    assert!(error(MINIMAL, &["encoding.input=P10"]).contains("flat"));
    assert!(
        Recipe::parse(MINIMAL, &["encoding.output=P10".into()]).is_ok(),
        "a parallel decoder has fixed classes"
    );
}
