//! Model configurations for tests.

use super::{Architecture, Config, DecoderKind, Gate, Normalization, ValueFeatures};

impl Config {
    /// Small models of all architectures except plain transformers, with names.
    pub fn variants() -> Vec<(&'static str, Self)> {
        use {Architecture::*, DecoderKind as Kind};
        let small = |architecture, change: fn(&mut Self)| {
            let mut config = Self::preset(architecture);
            (config.width, config.encoder_layers) = (32, 2);
            change(&mut config);
            config.validate().expect("variants are valid");
            config
        };
        let loops = |config: &mut Self| (config.encoder_loops, config.decoder_loops) = (3, 2);
        let mut variants = vec![
            ("universal", small(Laformer, loops)),
            (
                "universal, gated, injected",
                small(Laformer, |config| {
                    (config.encoder_loops, config.decoder_loops) = (2, 3);
                    (config.gate, config.input_injection) = (Gate::Copy, true);
                }),
            ),
            (
                "universal paper",
                small(Paper, |config| {
                    (config.encoder_loops, config.decoder_loops) = (2, 2);
                    (config.decoder_layers, config.gate, config.input_injection) = (2, Gate::Copy, true);
                }),
            ),
            ("encoder only", small(Laformer, |config| config.decoder = Kind::None)),
            (
                "flat encoder only",
                small(Paper, |config| {
                    (config.decoder, config.encoder_loops) = (Kind::None, 2);
                }),
            ),
            (
                "narrow decoder",
                small(Laformer, |config| {
                    (config.decoder_width, config.decoder_heads, config.decoder_layers) = (24, 3, 2);
                }),
            ),
            (
                "wide decoder",
                small(Paper, |config| {
                    (config.decoder_width, config.decoder_heads) = (36, 3);
                }),
            ),
        ];
        for (names, architecture) in [
            (["lstm", "lstm, parallel", "lstm, encoder only"], Lstm),
            (["gru", "gru, parallel", "gru, encoder only"], Gru),
        ] {
            let changes: [fn(&mut Self); 3] = [
                |config| {
                    (config.decoder_layers, config.decoder_width, config.decoder_heads) = (2, 48, 2);
                },
                |config| config.decoder = Kind::Parallel,
                |config| config.decoder = Kind::None,
            ];
            let more = names.into_iter().zip(changes);
            variants.extend(more.map(|(name, change)| (name, small(architecture, change))));
        }
        variants.push(("pair", small(Pair, |config| config.products = 1)));
        variants.push((
            "pair with attention and loops",
            small(Pair, |config| {
                (config.heads, config.encoder_loops, config.input_injection) = (2, 2, true);
                config.normalization = Normalization::PreMatrix;
            }),
        ));
        variants.push((
            "digits",
            small(Laformer, |config| config.value_features = ValueFeatures::Digits),
        ));
        variants
    }
}
