//! Reading a file of any bytes ends with a value or an error. The inputs are the corpus that fuzzing found, changes of
//! it, and arbitrary bytes.

mod targets;

use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// The corpus of a target, sorted by name.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/inputs/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A change of an input: its position, the inserted bytes, and the number of bytes that they replace.
type Change = (prop::sample::Index, Vec<u8>, usize);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let interesting = prop::sample::select(vec![
        &b"0"[..],
        b"-",
        b"[",
        b"]",
        b"\"",
        b",",
        b"\n",
        b"{",
        b"=",
        b"1e400",
        b"99999999999999999999",
        b"nan",
        b"\xff",
        b"\0",
    ]);
    let inserted = prop_oneof![
        interesting.prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..8)
    ];
    prop::collection::vec((any::<prop::sample::Index>(), inserted, 0..12usize), 1..6)
}

fn changed(input: &[u8], changes: Vec<Change>) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for (place, inserted, replaced) in changes {
        let begin = place.index(bytes.len() + 1);
        let end = (begin + replaced).min(bytes.len());
        bytes.splice(begin..end, inserted);
    }
    bytes
}

/// Two tests per target: one of its corpus, and one of slightly changed inputs and of arbitrary bytes.
macro_rules! tests {
    ($($target:ident),+ $(,)?) => {
        $(
            mod $target {
                use super::*;

                static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| corpus(stringify!($target)));

                #[test]
                fn every_input_of_the_corpus_ends_with_a_value_or_an_error() {
                    CORPUS.iter().for_each(|input| targets::$target(input));
                }

                proptest! {
                    #[test]
                    fn inputs_of_any_content_end_with_a_value_or_an_error(
                        which in any::<prop::sample::Index>(),
                        changes in changes(),
                        other in prop::collection::vec(any::<u8>(), 0..64),
                    ) {
                        targets::$target(&changed(&CORPUS[which.index(CORPUS.len())], changes));
                        targets::$target(&other);
                    }
                }
            }
        )+
    };
}

tests!(csv, recipe, matrix, tokens, safetensors, run);
