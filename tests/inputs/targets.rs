//! The readers of untrusted input, as functions of bytes. For any bytes, each must end without a panic; it may fail
//! with an error. `tests/inputs/main.rs` feeds them a corpus, and `fuzz/` feeds them inputs that libFuzzer derives
//! from it.

use laformer::dataset;
use laformer::encoding::{self, DIGITS, Encoding, Grammar, MAX_FIELDS, NAMES};
use laformer::matrix::text;
use laformer::recipe::Recipe;
use laformer::report;
use laformer::training::{Run, load_model};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tch::Device;

/// A CSV file of examples, as `verify` reads it.
pub fn csv(bytes: &[u8]) {
    let mut bad = 0;
    let verified = dataset::verify(bytes, 1, |_| {
        bad += 1;
        Ok(())
    });
    if let Ok(summary) = verified {
        let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
        assert!(
            summary.rows as usize <= lines && bad <= 2 * lines,
            "more rows than lines"
        );
    }
}

/// A recipe. An accepted recipe must mean the same after it is written and read again.
pub fn recipe(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(recipe) = Recipe::parse(text, &[]) {
        let written = recipe.to_toml().expect("a valid recipe can be written");
        let again = Recipe::parse(&written, &[]).expect("a written recipe is valid");
        assert!(again == recipe, "{written}");
    }
}

/// A matrix, and a list of matrices. Accepted matrices must have the same bits after they are written and read again.
pub fn matrix(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let matrices = match (text::parse(text), text::parse_list(text)) {
        (Ok(matrix), _) => vec![matrix],
        (_, Ok(matrices)) => matrices,
        _ => return,
    };
    let again = text::parse_list(&text::print_list(&matrices)).expect("what is written can be read");
    let same = |(one, other): (&f64, &f64)| one.to_bits() == other.to_bits();
    let same_matrix = |one: &laformer::matrix::Matrix, other: &laformer::matrix::Matrix| {
        one.shape() == other.shape() && one.iter().zip(other).all(same)
    };
    assert!(matrices.iter().zip(&again).all(|(one, other)| same_matrix(one, other)));
}

/// Every encoding with each number of digits, and the grammar of its sequences.
static ENCODINGS: LazyLock<Vec<(Arc<dyn Encoding>, Grammar)>> = LazyLock::new(|| {
    let names = NAMES
        .iter()
        .flat_map(|name| DIGITS.map(move |digits| format!("{name}:{digits}")));
    let encodings = names.map(|name| encoding::named(&name).expect("a name of the list"));
    encodings
        .map(|encoding| {
            let grammar = Grammar::new(encoding.as_ref());
            (encoding, grammar)
        })
        .collect()
});

/// Tokens of any number, of any classes, and of any walk through the grammar. The first byte chooses the encoding. The
/// rest is also parsed as the name of an encoding.
pub fn tokens(bytes: &[u8]) {
    let [which, rest @ ..] = bytes else { return };
    if let Ok(text) = str::from_utf8(rest) {
        let _ = encoding::named(text);
    }
    let (encoding, grammar) = &ENCODINGS[usize::from(*which) % ENCODINGS.len()];
    let count = encoding.fields().len();
    for number in rest.chunks_exact(8) {
        let value = f64::from_le_bytes(number.try_into().expect("eight bytes"));
        let mut classes = [0; MAX_FIELDS];
        if encoding.encode(value, &mut classes[..count]).is_ok() {
            let written = encoding.decode(&classes[..count]);
            assert!(written.is_finite(), "{value:e} is written as {written:e}");
            assert_eq!(
                encoding.round(written).ok(),
                Some(written),
                "{value:e} is rounded twice"
            );
        }
    }
    let parts = rest.chunks(4).chain(std::iter::repeat(&[][..]));
    let number = |part: &[u8]| part.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    let fields = encoding.fields().iter().zip(parts);
    let classes: Vec<u32> = fields
        .map(|(field, part)| number(part) % field.classes() as u32)
        .collect();
    assert!(encoding.decode(&classes).is_finite(), "{classes:?}");
    walk(grammar, rest);
}

/// Walks through the grammar of a number as a decoder does. The bytes choose the words.
fn walk(grammar: &Grammar, bytes: &[u8]) {
    let mut state = 0;
    for byte in bytes {
        let Ok(at) = usize::try_from(state) else { return };
        let allowed = &grammar.allowed()[at];
        let begin = usize::from(*byte) * 257 % allowed.len();
        let mut words = (begin..allowed.len()).chain(0..begin);
        let word = words
            .find(|&word| allowed[word])
            .expect("something may follow in every state");
        state = grammar.next()[at][word];
    }
}

/// A file of weights, as every command that loads a model reads it.
pub fn safetensors(bytes: &[u8]) {
    let folder = Folder::new();
    let path = folder.0.join("x.safetensors");
    fs::write(&path, bytes).expect("the folder is writable");
    let _ = load_model(&path, Device::Cpu);
}

/// The separator between the files in an input of [`run`].
pub const SEPARATOR: &[u8] = b"\n=====\n";

/// A run folder: `config.toml`, `metrics.csv` and `resume.safetensors`, [separated](SEPARATOR).
pub fn run(bytes: &[u8]) {
    let folder = Folder::new();
    let (config, rest) = split(bytes);
    let (metrics, resume) = split(rest);
    for (name, content) in [
        ("config.toml", config),
        ("metrics.csv", metrics),
        ("resume.safetensors", resume),
    ] {
        fs::write(folder.0.join(name), content).expect("the folder is writable");
    }
    let _ = report::evaluations(&folder.0.join("metrics.csv"));
    let _ = report::last_evaluation(&folder.0.join("metrics.csv"));
    let _ = load_model(&folder.0.join("resume.safetensors"), Device::Cpu);
    if let Ok((run, recipe)) = Run::open(&folder.0) {
        assert!(recipe.to_toml().is_ok());
        let _ = Run::prepare(run.folder(), true);
    }
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.windows(SEPARATOR.len()).position(|part| part == SEPARATOR) {
        Some(place) => (&bytes[..place], &bytes[place + SEPARATOR.len()..]),
        None => (bytes, &[]),
    }
}

/// A temporary folder, in memory if the system has /dev/shm. It is deleted on drop.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = parent.join(format!(
            "laformer-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::create_dir_all(&path).expect("the folder is writable");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
