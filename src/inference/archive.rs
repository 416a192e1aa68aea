//! Files of TorchScript modules, which are ZIP archives. Sizes and checksums are checked before libtorch reads a file.

use crate::file;
use anyhow::{Context, Result, ensure};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

/// The unpacked content may be this many bytes larger than the file: libtorch compresses source, never tensors.
const EXCESS: u64 = 1 << 26;
/// Where libtorch keeps extra files, below the archive's folder.
const EXTRA: &str = "extra/";
/// The entry that tells a TorchScript archive from other ZIP files.
const CONSTANTS: &str = "constants.pkl";

/// A TorchScript module's file, in memory.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    content: Vec<u8>,
    /// The folder of all entries: `model/`.
    folder: String,
}

type Zip<'a> = ZipArchive<Cursor<&'a [u8]>>;

impl Archive {
    /// Reads a file and checks it. The error names the file.
    pub fn read(path: &Path) -> Result<Self> {
        let content = file::read(path)?;
        let folder =
            checked(&content).with_context(|| format!("{} is damaged or no TorchScript module", path.display()))?;
        let path = path.to_path_buf();
        Ok(Self { path, content, folder })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The content of an extra file (`_extra_files` in Python); `None` if the archive has none of this name.
    pub fn extra(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.entry(&mut opened(&self.content)?, &format!("{EXTRA}{name}"))
    }

    fn entry(&self, zip: &mut Zip, name: &str) -> Result<Option<Vec<u8>>> {
        let mut entry = match zip.by_name(&format!("{}{name}", self.folder)) {
            Err(ZipError::FileNotFound) => return Ok(None),
            entry => entry?,
        };
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        Ok(Some(content))
    }
}

fn opened(content: &[u8]) -> Result<Zip<'_>> {
    Ok(ZipArchive::new(Cursor::new(content))?)
}

/// Checks sizes and checksums; returns the folder of all entries.
fn checked(content: &[u8]) -> Result<String> {
    let mut zip = opened(content)?;
    let most = content.len() as u64 + EXCESS;
    let mut total = 0u64;
    let mut folder = None;
    for index in 0..zip.len() {
        let entry = zip.by_index(index)?;
        let (name, size) = (entry.name()?.into_owned(), entry.size());
        total = total.saturating_add(size);
        ensure!(total <= most, "its content has more than {most} bytes");
        // Reading to the end compares the checksum.
        let read = io::copy(&mut entry.take(size + 1), &mut io::sink()).with_context(|| name.clone())?;
        ensure!(read == size, "the size of {name} differs from its archive entry");
        folder = folder.or(name.strip_suffix(CONSTANTS).map(str::to_string));
    }
    folder.context("it is a ZIP archive, but no TorchScript module")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    fn read(content: &[u8]) -> Result<Archive> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pt");
        fs::write(&path, content).unwrap();
        Archive::read(&path)
    }

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, content) in files {
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn what_unpacks_to_far_more_than_its_size_is_refused() {
        let bomb = archive(&[("x/constants.pkl", &vec![0; EXCESS as usize + (1 << 20)])]);
        assert!(bomb.len() < 1 << 20);
        let text = format!("{:#}", read(&bomb).unwrap_err());
        assert!(text.contains("x.pt is damaged") && text.contains("more than"), "{text}");
    }

    #[test]
    fn files_beside_the_module_are_found_by_name() {
        let content = archive(&[
            ("x/constants.pkl", b""),
            ("x/extra/config.json", b"text"),
            ("x/metrics.json", b""),
        ]);
        let whole = read(&content).unwrap();
        assert_eq!(whole.extra("config.json").unwrap(), Some(b"text".to_vec()));
        assert_eq!(whole.extra("metrics.json").unwrap(), None);
        let text = format!("{:#}", read(&archive(&[("model/data.pkl", b"text")])).unwrap_err());
        assert!(text.contains("no TorchScript module"), "{text}");
    }
}
