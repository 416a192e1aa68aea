//! Tests of valid and invalid combinations of model keys.

use super::*;

fn refused(architecture: Architecture, change: impl FnOnce(&mut Config)) -> String {
    let mut config = Config::preset(architecture);
    change(&mut config);
    config.validate().expect_err("the combination is bad").to_string()
}

#[test]
fn presets_are_valid() {
    for architecture in [
        Architecture::Laformer,
        Architecture::Paper,
        Architecture::Lstm,
        Architecture::Gru,
    ] {
        Config::preset(architecture).validate().unwrap();
    }
}

#[test]
fn keys_without_effect_are_refused_by_name() {
    type Case = (Architecture, fn(&mut Config), &'static str);
    let cases: [Case; 10] = [
        (
            Architecture::Lstm,
            |c| c.encoder_loops = 2,
            "model.encoder_loops belongs to transformers",
        ),
        (
            Architecture::Gru,
            |c| c.gate = Gate::Copy,
            "architecture = \"gru\" leave it out",
        ),
        (Architecture::Lstm, |c| c.heads = 8, "model.heads"),
        (
            Architecture::Gru,
            |c| c.activation = Activation::Relu,
            "model.activation",
        ),
        (Architecture::Gru, |c| c.width = 31, "even number"),
        (
            Architecture::Laformer,
            |c| (c.decoder, c.decoder_layers) = (DecoderKind::None, 2),
            "model.decoder_layers belongs to a decoder",
        ),
        (
            Architecture::Paper,
            |c| (c.decoder, c.decoder_width) = (DecoderKind::None, 64),
            "model.decoder_width belongs to a decoder",
        ),
        (
            Architecture::Laformer,
            |c| c.input_injection = true,
            "set model.encoder_loops or model.decoder_loops",
        ),
        (
            Architecture::Laformer,
            |c| c.encoder_loops = 0,
            "model.encoder_loops = 0",
        ),
        (
            Architecture::Laformer,
            |c| (c.decoder_width, c.decoder_heads) = (50, 4),
            "model.decoder_heads = 4 does not divide the width 50",
        ),
    ];
    for (architecture, change, part) in cases {
        let text = refused(architecture, change);
        assert!(text.contains(part), "{text}");
    }
}
