//! Tests that all architectures pass.

use super::*;
use crate::recipe::{Gate, Positions};

/// All variants, each with an input that it supports. Variants with flat positions read P10, whose sources are padded.
fn variants() -> impl Iterator<Item = (&'static str, Config, &'static str)> {
    Config::variants().into_iter().map(|(name, config)| {
        let input = match config.positions {
            Positions::Flat => "P10",
            Positions::Both | Positions::None => "values",
        };
        (name, config, input)
    })
}

#[test]
fn every_architecture_decodes_step_by_step_as_all_at_once() {
    no_grad(|| {
        let mut count = 0;
        for (name, config, input) in variants() {
            let (model, batch) = model_of(&config, "eigenvalues", input, "P1000");
            let Decoder::Autoregressive(decoder) = model.decoder() else {
                continue;
            };
            count += 1;
            let all = &model.logits(&batch.source, &batch.target, SIZE, Kind::Float)[0];
            let pass = model.pass(Kind::Float);
            let source_positions = model.source_positions(SIZE).narrow(0, 0, batch.source.size()[1]);
            let memory = model.encode(&batch.source, &source_positions, pass);
            let mask = model.source_mask(&batch.source);
            let (cross, mut cache) = decoder.start(&memory, pass.kind);
            let positions = model.target_positions(SIZE);
            for step in 0..positions.size()[0] {
                let (tokens, place) = (batch.target.narrow(1, step, 1), positions.narrow(0, step, 1));
                let (logits, longer) = decoder.step(&tokens, &place, &cross, &cache, mask.as_ref(), pass);
                cache = longer;
                let difference = largest_difference(&logits, &all.select(1, step));
                assert!(difference < 1e-5, "{name}, step {step}: {difference}");
            }
        }
        assert!(count >= 4, "{count} decoders write token after token");
    });
}

#[test]
fn every_parameter_of_every_variant_gets_a_gradient() {
    for (name, config, input) in variants() {
        let (model, batch) = model_of(&config, "inverse", input, "P1000");
        let logits = model.logits(&batch.source, &batch.target, SIZE, Kind::Float);
        let loss = logits.iter().map(|logits| logits.square().mean(Kind::Float));
        loss.reduce(|a, b| a + b).unwrap().backward();
        for (parameter, variable) in model.variables() {
            let gradient = variable.grad();
            assert!(
                !variable.requires_grad() || gradient.defined() && gradient.abs().max().double_value(&[]) > 0.0,
                "{name}: {parameter} gets no gradient"
            );
        }
    }
}

#[test]
fn every_variant_has_near_logits_in_both_precisions() {
    for (name, config, input) in variants() {
        let (model, batch) = model_of(&config, "svd", input, "P1000");
        no_grad(|| {
            let [fine, coarse] = [Kind::Float, Kind::BFloat16]
                .map(|kind| Tensor::cat(&model.logits(&batch.source, &batch.target, SIZE, kind), -1));
            let scale = fine.abs().max().double_value(&[]);
            assert!(largest_difference(&fine, &coarse) < 0.1 * scale, "{name}");
        });
    }
}

#[test]
fn loops_share_their_weights() {
    let count = |loops| {
        let mut config = Config::preset(Architecture::Laformer);
        (config.width, config.encoder_loops, config.decoder_loops) = (32, loops, loops);
        model_of(&config, "eigenvalues", "values", "P1000").0
    };
    let (once, thrice) = (count(1), count(3));
    assert_eq!(once.parameter_count(), thrice.parameter_count());
    let (_, batch) = model(Architecture::Laformer, "eigenvalues", "values", "P1000");
    no_grad(|| {
        let logits = |model: &Model| model.logits(&batch.source, &batch.target, SIZE, Kind::Float).remove(0);
        assert!(largest_difference(&logits(&once), &logits(&thrice)) > 1e-3);
    });
}

#[test]
fn a_layer_with_closed_gate_returns_its_input() {
    let mut config = Config::preset(Architecture::Paper);
    (config.width, config.encoder_layers, config.gate) = (32, 1, Gate::Copy);
    let (model, batch) = model_of(&config, "eigenvalues", "P1000", "P1000");
    no_grad(|| {
        let encoded = |loops| {
            let positions = model.source_positions(SIZE);
            let _ = model.variables()["encoder.layers.0.gate.down.bias"]
                .shallow_clone()
                .fill_(loops);
            model.encode(&batch.source, &positions, model.pass(Kind::Float))
        };
        let embedded = encoded(-100.0);
        // With its gate closed, a layer returns its input: the normalized embedding.
        let spread = embedded.var_dim([-1i64].as_slice(), false, false);
        assert!(largest_difference(&spread, &spread.ones_like()) < 1e-3);
        assert!(largest_difference(&embedded, &encoded(100.0)) > 0.1);
        let _ = model.variables()["encoder.layers.0.feedforward.down.weight"]
            .shallow_clone()
            .fill_(7.0);
        assert_eq!(largest_difference(&embedded, &encoded(-100.0)), 0.0);
    });
}
