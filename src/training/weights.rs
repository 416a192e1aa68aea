//! Safetensors files: named tensors and text metadata, written atomically.

use crate::file;
use anyhow::{Context, Result, anyhow, bail, ensure};
use safetensors::tensor::{Dtype, SafeTensors, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use tch::{Kind, Tensor};

struct Bytes {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

const KINDS: [(Kind, Dtype); 6] = [
    (Kind::Float, Dtype::F32),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Half, Dtype::F16),
    (Kind::Double, Dtype::F64),
    (Kind::Int64, Dtype::I64),
    (Kind::Bool, Dtype::BOOL),
];

/// The name of the first unsound tensor, if any. A tensor is unsound if one of its numbers is not finite. A parameter
/// is also unsound if the square of one of its numbers is not finite.
pub fn unsound(tensors: &BTreeMap<String, Tensor>) -> Option<&str> {
    // Double tensors are tables of a module, not parameters; their numbers go up to 1e110.
    let computed = |tensor: &Tensor| match tensor.kind() {
        Kind::Double => tensor.shallow_clone(),
        _ => tensor.to_kind(Kind::Float).square(),
    };
    let is_sound = |tensor: &Tensor| computed(tensor).isfinite().all().int64_value(&[]) == 1;
    let mut found = tensors.iter().filter(|(_, tensor)| !is_sound(tensor));
    found.next().map(|(name, _)| name.as_str())
}

/// Fails if a tensor of a file is [`unsound`].
fn require_sound(tensors: &BTreeMap<String, Tensor>, file: &Path) -> Result<()> {
    match unsound(tensors) {
        None => Ok(()),
        Some(name) => bail!(
            "{}: {name} has numbers that are not finite, or too large to compute with",
            file.display()
        ),
    }
}

/// Key of the checksum in the metadata.
const CHECKSUM: &str = "checksum";

/// The CRC-32 (as in ZIP) of the metadata and the tensors, each sorted by name. A metadata entry is a line `key value`.
/// A tensor is a line `name dtype shape`, then its bytes.
fn checksum<'a>(
    metadata: &HashMap<String, String>,
    tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>,
) -> String {
    let mut hasher = crc32fast::Hasher::new();
    for (key, value) in metadata.iter().collect::<BTreeMap<_, _>>() {
        if key != CHECKSUM {
            hasher.update(format!("{key} {value}\n").as_bytes());
        }
    }
    for (name, dtype, shape, bytes) in tensors {
        hasher.update(format!("{name} {dtype:?} {shape:?}\n").as_bytes());
        hasher.update(bytes);
    }
    format!("{:08x}", hasher.finalize())
}

/// Writes tensors and metadata, with a checksum of both.
pub fn write(path: &Path, tensors: &BTreeMap<String, Tensor>, mut metadata: HashMap<String, String>) -> Result<()> {
    let views = tensors.iter().map(|(name, tensor)| {
        let (_, dtype) = KINDS
            .into_iter()
            .find(|(kind, _)| *kind == tensor.kind())
            .with_context(|| {
                format!(
                    "{name} has elements of kind {:?}, which laformer does not write to safetensors files",
                    tensor.kind()
                )
            })?;
        let tensor = tensor.to_device(tch::Device::Cpu).contiguous();
        let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        let shape = tensor.size().iter().map(|&size| size as usize).collect();
        Ok((name.clone(), Bytes { dtype, shape, bytes }))
    });
    let views: Vec<(String, Bytes)> = views.collect::<Result<_>>()?;
    let parts = views
        .iter()
        .map(|(name, view)| (name.as_str(), view.dtype, view.shape.as_slice(), view.bytes.as_slice()));
    metadata.insert(CHECKSUM.to_string(), checksum(&metadata, parts));
    let content =
        safetensors::serialize(views, Some(metadata)).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    file::replace(path, &content)
}

/// Reads a safetensors file, with or without the checksum of [`write()`]. Fails if the checksum is wrong or a tensor is
/// [`unsound`].
pub fn read(path: &Path) -> Result<(BTreeMap<String, Tensor>, HashMap<String, String>)> {
    let content = file::read(path)?;
    let damaged =
        |error: &dyn std::fmt::Display| anyhow!("{} is damaged or no safetensors file: {error}", path.display());
    let (_, header) = SafeTensors::read_metadata(&content).map_err(|error| damaged(&error))?;
    let file = SafeTensors::deserialize(&content).map_err(|error| damaged(&error))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let views: BTreeMap<&str, _> = file.iter().collect();
    if let Some(saved) = metadata.get(CHECKSUM) {
        let parts = views
            .iter()
            .map(|(name, view)| (*name, view.dtype(), view.shape(), view.data()));
        let found = checksum(&metadata, parts);
        ensure!(
            &found == saved,
            "{} is damaged: its checksum is {found}, but it says {saved}",
            path.display()
        );
    }
    let mut tensors = BTreeMap::new();
    for (name, view) in views {
        let Some((kind, _)) = KINDS.into_iter().find(|(_, dtype)| *dtype == view.dtype()) else {
            bail!(
                "{}: {name} has elements of type {:?}, which are not used here",
                path.display(),
                view.dtype()
            );
        };
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|error| damaged(&error))?;
        tensors.insert(name.to_string(), tensor);
    }
    require_sound(&tensors, path)?;
    Ok((tensors, metadata))
}

/// Copies tensors into the variables of the same names and shapes; an error if a variable has no tensor.
pub fn copy_into(variables: &BTreeMap<String, Tensor>, tensors: &BTreeMap<String, Tensor>, file: &Path) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    for (name, variable) in variables {
        let tensor = tensors
            .get(name)
            .with_context(|| format!("{} has no {name}: it is from another model", file.display()))?;
        ensure!(
            tensor.size() == variable.size(),
            "{}: {name} has shape {:?}, but this model wants {:?}",
            file.display(),
            tensor.size(),
            variable.size()
        );
        variable.shallow_clone().copy_(tensor);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::seeded;
    use std::fs;

    #[test]
    fn tensors_and_text_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let random = |shape: &[i64]| seeded(3, || Tensor::randn(shape, (Kind::Float, tch::Device::Cpu)));
        let tensors = BTreeMap::from([
            ("a.weight".to_string(), random(&[3, 4])),
            ("b".to_string(), random(&[2]).to_kind(Kind::BFloat16)),
            ("c".to_string(), Tensor::from_slice(&[1i64, -2])),
        ]);
        write(
            &path,
            &tensors,
            HashMap::from([("recipe".to_string(), "x = 1".to_string())]),
        )
        .unwrap();
        let (read, text) = read(&path).unwrap();
        assert_eq!(text["recipe"], "x = 1");
        assert_eq!(read, tensors);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = BTreeMap::from([
            ("a".to_string(), Tensor::from_slice(&[1f32, 2.0, 3.0])),
            ("b".to_string(), Tensor::from_slice(&[1i64, -2]).to_kind(Kind::Half)),
        ]);
        let recipe = HashMap::from([("recipe".to_string(), "x = 1".to_string())]);
        write(&path, &tensors, recipe).unwrap();
        let (bytes, whole) = (fs::read(&path).unwrap(), read(&path).unwrap());
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, damaged).unwrap();
            if let Ok((tensors, text)) = read(&path) {
                // Damage to the checksum's name or to whitespace does not change the content.
                assert!(tensors == whole.0 && text["recipe"] == whole.1["recipe"], "bit {bit}");
            }
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        for number in [f32::NAN, f32::INFINITY, 3e38] {
            let tensors = BTreeMap::from([("a.weight".to_string(), Tensor::from_slice(&[1f32, number]))]);
            write(&path, &tensors, HashMap::new()).unwrap();
            let text = format!("{:#}", read(&path).unwrap_err());
            assert!(
                text.contains("x.safetensors: a.weight has numbers that are not finite"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_truncated_file_is_called_damaged_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write(
            &path,
            &BTreeMap::from([("a".to_string(), Tensor::from_slice(&[1f32; 100]))]),
            HashMap::new(),
        )
        .unwrap();
        let bytes = fs::read(&path).unwrap();
        for length in [0, 4, 20, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).unwrap();
            let text = format!("{:#}", read(&path).unwrap_err());
            assert!(text.contains("damaged") && text.contains("x.safetensors"), "{text}");
        }
    }
}
