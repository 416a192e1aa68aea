//! The files of TorchScript modules: ZIP archives, whose sizes are bounded and whose checksums are compared before libtorch reads them.

use crate::file;
use anyhow::{Context, Result, ensure};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// By how many bytes the content may exceed the file: libtorch compresses source, never tensors.
const EXCESS: u64 = 1 << 26;
/// Where libtorch keeps extra files, below the archive's folder.
const EXTRA: &str = "extra/";
/// What every TorchScript archive has, and no other.
const CONSTANTS: &str = "constants.pkl";

/// A TorchScript module's file, in memory.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    content: Vec<u8>,
}

impl Archive {
    /// Reads a file and checks it. The error names the file.
    pub fn read(path: &Path) -> Result<Self> {
        let archive = Self {
            path: path.to_path_buf(),
            content: file::read(path)?,
        };
        archive
            .check()
            .with_context(|| format!("{} is damaged or no TorchScript module", path.display()))?;
        Ok(archive)
    }

    fn check(&self) -> Result<()> {
        let mut zip = self.zip()?;
        let most = self.content.len() as u64 + EXCESS;
        let mut total = 0u64;
        let mut is_module = false;
        for index in 0..zip.len() {
            let entry = zip.by_index(index)?;
            let (name, size) = (entry.name()?.into_owned(), entry.size());
            total = total.saturating_add(size);
            ensure!(total <= most, "its content has more than {most} bytes");
            // Reading to the end compares the checksum.
            let read = io::copy(&mut entry.take(size + 1), &mut io::sink()).with_context(|| name.clone())?;
            ensure!(read == size, "{name} has another size than the archive says");
            is_module |= inner(&name) == CONSTANTS;
        }
        ensure!(is_module, "it is a ZIP archive, but no TorchScript module");
        Ok(())
    }

    fn zip(&self) -> Result<ZipArchive<Cursor<&[u8]>>> {
        Ok(ZipArchive::new(Cursor::new(self.content.as_slice()))?)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// A file that travels beside the module (`_extra_files` in Python); none where there is none of this name.
    pub fn extra(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut zip = self.zip()?;
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index)?;
            if inner(&entry.name()?).strip_prefix(EXTRA) == Some(name) {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                return Ok(Some(content));
            }
        }
        Ok(None)
    }
}

/// A path without the folder that all files of an archive are in.
fn inner(path: &str) -> &str {
    path.split_once('/').map_or(path, |(_, inner)| inner)
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

    fn archive(name: &str, content: &[u8]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        writer.start_file(name, options).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn what_unpacks_to_far_more_than_its_size_is_refused() {
        let bomb = archive("x/constants.pkl", &vec![0; EXCESS as usize + (1 << 20)]);
        assert!(bomb.len() < 1 << 20);
        let text = format!("{:#}", read(&bomb).unwrap_err());
        assert!(text.contains("x.pt is damaged") && text.contains("more than"), "{text}");
    }

    #[test]
    fn files_beside_the_module_are_found_by_name() {
        let extra = |name: &str| {
            let archive = Archive {
                path: "x.pt".into(),
                content: archive(name, b"text"),
            };
            archive.extra("config.json").unwrap()
        };
        assert_eq!(extra("model/extra/config.json"), Some(b"text".to_vec()));
        assert_eq!(extra("model/config.json"), None);
        let text = format!("{:#}", read(&archive("model/data.pkl", b"text")).unwrap_err());
        assert!(text.contains("no TorchScript module"), "{text}");
    }
}
