//! The tensors of a TorchScript archive, read as data.
//!
//! `data.pkl` is a program for a stack machine that builds objects. This one knows the instructions that libtorch writes
//! (`torch/csrc/jit/serialization/pickler.h`). It calls nothing that a file names, and forgets what is no tensor.

use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, HashMap, HashSet};
use tch::{Kind, Tensor};

/// Bounds the stack: a module of a thousand tensors takes a tenth.
const MOST_BYTES: usize = 1 << 22;
/// Bounds how much may be computed with what is read: 4 GiB of single precision.
const MOST_NUMBERS: i64 = 1 << 30;
/// Bounds the memory that copies of names take, and how deep tensors are nested.
const LONGEST_NAME: usize = 256;

const STORAGES: [(&str, Kind); 6] = [
    ("torch.FloatStorage", Kind::Float),
    ("torch.BFloat16Storage", Kind::BFloat16),
    ("torch.HalfStorage", Kind::Half),
    ("torch.DoubleStorage", Kind::Double),
    ("torch.LongStorage", Kind::Int64),
    ("torch.BoolStorage", Kind::Bool),
];

enum Value {
    /// Where the items of a tuple, list or dictionary begin.
    Mark,
    Text(String),
    Whole(i64),
    /// A tuple of whole numbers.
    Shape(Vec<i64>),
    /// Another tuple, of values that are none.
    Tuple(Vec<Value>),
    Storage(Tensor),
    Tensor(Tensor),
    /// Those of a dictionary, or of the object whose attributes are in it. All that is nested is named with dots here, so that no
    /// value is deep.
    Tensors(Vec<(String, Tensor)>),
    /// What holds no tensor.
    Other,
}

/// The tensors of a pickled module by their dotted names; `storage` reads the bytes of a storage.
pub fn tensors(pickle: &[u8], storage: impl FnMut(&str) -> Result<Vec<u8>>) -> Result<BTreeMap<String, Tensor>> {
    ensure!(pickle.len() <= MOST_BYTES, "it has more than {MOST_BYTES} bytes");
    let machine = Machine {
        rest: pickle,
        stack: Vec::new(),
        memory: HashMap::new(),
        storage,
        read: HashSet::new(),
        left: MOST_NUMBERS,
    };
    machine.run()
}

struct Machine<'a, F> {
    rest: &'a [u8],
    stack: Vec<Value>,
    memory: HashMap<i64, Value>,
    storage: F,
    /// The storages that were read: each is, once.
    read: HashSet<String>,
    /// How many more numbers tensors may have.
    left: i64,
}

impl<F: FnMut(&str) -> Result<Vec<u8>>> Machine<'_, F> {
    fn run(mut self) -> Result<BTreeMap<String, Tensor>> {
        loop {
            let value = match self.take(1)?[0] {
                0x80 => {
                    self.number::<1>()?;
                    continue;
                }
                b'.' => match self.pop()? {
                    Value::Tensors(tensors) => return Ok(tensors.into_iter().collect()),
                    _ => bail!("it holds no module"),
                },
                b'(' => Value::Mark,
                b'c' => text(format!("{}.{}", self.line()?, self.line()?).as_bytes())?,
                b'X' => {
                    let length = self.number::<4>()?;
                    text(self.take(length as usize)?)?
                }
                b'K' => Value::Whole(self.number::<1>()?),
                b'M' => Value::Whole(self.number::<2>()?),
                b'J' => Value::Whole(self.number::<4>()? as i32 as i64),
                // A whole number of more than 32 bits, and how many bytes it has.
                0x8a => {
                    let length = self.number::<1>()?;
                    self.take(length as usize)?;
                    Value::Other
                }
                b'G' => {
                    self.take(8)?;
                    Value::Other
                }
                b'N' | 0x88 | 0x89 | b']' => Value::Other,
                b'}' => Value::Tensors(Vec::new()),
                b')' => tuple(Vec::new()),
                code @ 0x85..=0x87 => {
                    let count = code as usize - 0x84;
                    let from = self.stack.len().checked_sub(count).context("its stack is empty")?;
                    tuple(self.stack.split_off(from))
                }
                b't' => tuple(self.items()?),
                b'e' => {
                    self.items()?;
                    continue;
                }
                b'u' => {
                    let items = self.items()?;
                    if let Some(Value::Tensors(tensors)) = self.stack.last_mut() {
                        add(tensors, items)?;
                    }
                    continue;
                }
                // A new object of a class and arguments, and its attributes.
                0x81 => {
                    self.pop()?;
                    self.pop()?;
                    Value::Other
                }
                b'b' => {
                    let attributes = self.pop()?;
                    self.pop()?;
                    attributes
                }
                b'R' => {
                    let arguments = self.pop()?;
                    match self.pop()? {
                        Value::Text(name) if name == "torch._utils._rebuild_tensor_v2" => self.rebuilt(arguments)?,
                        _ => Value::Other,
                    }
                }
                b'Q' => self.stored()?,
                b'q' => {
                    let place = self.number::<1>()?;
                    self.remember(place);
                    continue;
                }
                b'r' => {
                    let place = self.number::<4>()?;
                    self.remember(place);
                    continue;
                }
                b'h' => {
                    let place = self.number::<1>()?;
                    self.remembered(place)
                }
                b'j' => {
                    let place = self.number::<4>()?;
                    self.remembered(place)
                }
                code => bail!("it has the instruction {code:#04x}, which libtorch does not write"),
            };
            self.stack.push(value);
        }
    }

    fn pop(&mut self) -> Result<Value> {
        self.stack.pop().context("its stack is empty")
    }

    fn remember(&mut self, place: i64) {
        let value = self.stack.last().map_or(Value::Other, copied);
        self.memory.insert(place, value);
    }

    fn remembered(&self, place: i64) -> Value {
        self.memory.get(&place).map_or(Value::Other, copied)
    }

    /// What stands on the stack since the last mark.
    fn items(&mut self) -> Result<Vec<Value>> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark));
        let items = self.stack.split_off(mark.context("its stack has no mark")? + 1);
        self.stack.pop();
        Ok(items)
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).context("it is cut off")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A whole number of so many bytes, without sign.
    fn number<const N: usize>(&mut self) -> Result<i64> {
        let bytes = self.take(N)?.iter().rev();
        Ok(bytes.fold(0, |number, &byte| number << 8 | i64::from(byte)))
    }

    fn line(&mut self) -> Result<String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.context("it is cut off")? + 1)?;
        Ok(std::str::from_utf8(line)?.trim_end().to_string())
    }

    /// The storage that `("storage", type, name, device, count)` describes.
    fn stored(&mut self) -> Result<Value> {
        let Value::Tuple(description) = self.pop()? else {
            bail!("a storage has no description")
        };
        let [_, Value::Text(class), Value::Text(name), ..] = description.as_slice() else {
            bail!("a storage has no name")
        };
        let kind = STORAGES.iter().find(|(known, _)| known == class);
        let &(_, kind) = kind.with_context(|| format!("it has a {class}, which is not used here"))?;
        ensure!(self.read.insert(name.clone()), "it has the storage {name} twice");
        let bytes = (self.storage)(name)?;
        let count = bytes.len() / kind.elt_size_in_bytes();
        Ok(Value::Storage(Tensor::f_from_data_size(&bytes, &[count as i64], kind)?))
    }

    /// The tensor of `(storage, offset, sizes, strides, ..)`. libtorch checks that it is inside the storage.
    fn rebuilt(&mut self, arguments: Value) -> Result<Value> {
        let Value::Tuple(arguments) = arguments else {
            bail!("a tensor has no storage")
        };
        let [
            Value::Storage(storage),
            Value::Whole(offset),
            Value::Shape(sizes),
            Value::Shape(strides),
            ..,
        ] = arguments.as_slice()
        else {
            bail!("a tensor has no storage, offset, sizes and strides")
        };
        // A stride of 0 makes one number any number of them.
        let count = sizes.iter().try_fold(1, |count: i64, &size| count.checked_mul(size));
        self.left = count.map_or(-1, |count| self.left.saturating_sub(count));
        ensure!(self.left >= 0, "its tensors have more than {MOST_NUMBERS} numbers");
        let tensor = storage.f_as_strided(sizes.as_slice(), strides.as_slice(), *offset)?;
        Ok(Value::Tensor(tensor))
    }
}

/// A text that may be a name.
fn text(bytes: &[u8]) -> Result<Value> {
    Ok(match bytes.len() {
        0..=LONGEST_NAME => Value::Text(std::str::from_utf8(bytes)?.to_string()),
        _ => Value::Other,
    })
}

fn tuple(items: Vec<Value>) -> Value {
    let whole = |item: &Value| match item {
        Value::Whole(number) => Some(*number),
        _ => None,
    };
    let flat = |item| match item {
        Value::Tuple(_) => Value::Other,
        item => item,
    };
    match items.iter().map(whole).collect() {
        Some(numbers) => Value::Shape(numbers),
        None => Value::Tuple(items.into_iter().map(flat).collect()),
    }
}

/// A copy of a name or a storage: no more of a tensor is repeated.
fn copied(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(text.clone()),
        Value::Storage(tensor) => Value::Storage(tensor.shallow_clone()),
        _ => Value::Other,
    }
}

/// Adds the tensors of keys and values.
fn add(tensors: &mut Vec<(String, Tensor)>, items: Vec<Value>) -> Result<()> {
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let Value::Text(key) = key else { continue };
        let named = match value {
            Value::Tensor(tensor) => vec![(key, tensor)],
            Value::Tensors(inner) => {
                let named = |(name, tensor)| (format!("{key}.{name}"), tensor);
                inner.into_iter().map(named).collect()
            }
            _ => continue,
        };
        let long = named.iter().find(|(name, _)| name.len() > LONGEST_NAME);
        ensure!(long.is_none(), "it has a name of more than {LONGEST_NAME} bytes");
        tensors.extend(named);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A module with one tensor `name`, of the storage `0` of four floats.
    fn module(name: &str, offset: u8, sizes: &[u8], strides: &[u8]) -> Vec<u8> {
        let tuple = |numbers: &[u8]| {
            [
                b"(".to_vec(),
                numbers.iter().flat_map(|&n| [b'K', n]).collect(),
                b"t".to_vec(),
            ]
            .concat()
        };
        let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
        [
            b"\x80\x02c__torch__\nModel\n)\x81}(".to_vec(),
            text(name),
            b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
            text("storage"),
            b"ctorch\nFloatStorage\n".to_vec(),
            text("0"),
            text("cpu"),
            b"K\x04tQ".to_vec(),
            vec![b'K', offset],
            tuple(sizes),
            tuple(strides),
            b"\x89)tRub.".to_vec(),
        ]
        .concat()
    }

    fn read(pickle: &[u8]) -> Result<BTreeMap<String, Tensor>> {
        tensors(pickle, |_| {
            Ok([1f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect())
        })
    }

    #[test]
    fn a_tensor_is_a_part_of_its_storage() {
        let found = read(&module("a", 1, &[1, 3], &[3, 1])).unwrap();
        assert_eq!(found["a"], Tensor::from_slice2(&[[2f32, 3.0, 4.0]]));
        let turned = read(&module("a", 0, &[2, 2], &[1, 2])).unwrap();
        assert_eq!(turned["a"], Tensor::from_slice2(&[[1f32, 3.0], [2.0, 4.0]]));
    }

    #[test]
    fn a_tensor_beyond_its_storage_is_refused() {
        for (offset, sizes, strides) in [
            (2, &[3][..], &[1][..]),
            (0, &[2, 2], &[3, 1]),
            (0, &[255; 4], &[0; 4]),
            (0, &[255; 9], &[0; 9]),
            (0, &[2], &[1, 1]),
        ] {
            assert!(
                read(&module("a", offset, sizes, strides)).is_err(),
                "{offset} {sizes:?} {strides:?}"
            );
        }
    }

    #[test]
    fn a_deep_nest_is_refused() {
        let inner = module("a", 0, &[4], &[1]);
        let deep = |depth: usize| {
            [
                &b"}(X\x01\0\0\0b".repeat(depth),
                &inner[..inner.len() - 1],
                &b"u".repeat(depth),
                b".",
            ]
            .concat()
        };
        assert_eq!(read(&deep(2)).unwrap().into_keys().collect::<Vec<_>>(), ["b.b.a"]);
        let text = format!("{:#}", read(&deep(200_000)).unwrap_err());
        assert!(text.contains("a name of more than"), "{text}");
        // Without a tensor, and as tuples.
        assert!(
            read(
                &[
                    b"}(X\x01\0\0\0b".repeat(200_000),
                    b"}".to_vec(),
                    b"u".repeat(200_000),
                    b".".to_vec()
                ]
                .concat()
            )
            .is_ok()
        );
        assert!(read(&[b"N".to_vec(), b"\x85".repeat(200_000), b".".to_vec()].concat()).is_err());
    }

    proptest! {
        #[test]
        fn changed_bytes_never_panic(place in 0usize..200, byte: u8, more in proptest::collection::vec(any::<u8>(), 0..9)) {
            let mut pickle = module("a", 1, &[1, 3], &[3, 1]);
            let place = place % pickle.len();
            pickle[place] = byte;
            let _ = read(&pickle);
            pickle.splice(place..place, more);
            let _ = read(&pickle);
        }
    }
}
