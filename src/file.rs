//! Files that are whole or not there: written beside, then renamed.

use anyhow::{Context, Result, ensure};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::Builder;

const PARTIAL: &str = ".partial";
/// Of new files, less what the process's mask takes away.
const MODE: u32 = 0o666;

/// Lets `write` fill a file beside `path`, which then takes its place; a kill at any instant leaves the old one.
pub fn replace_by(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    // A device or a pipe would be lost under the new file.
    ensure!(
        !path.exists() || path.is_file(),
        "{} is there and is no regular file",
        path.display()
    );
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let replace = || -> Result<()> {
        let beside = Builder::new()
            .suffix(PARTIAL)
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        write(beside.path())?;
        // A rename that survives a power cut must not point at a file that does not.
        beside.as_file().sync_all()?;
        beside.persist(path)?;
        Ok(())
    };
    replace().with_context(|| format!("cannot write {}", path.display()))
}

/// Whether a name is that of a file that a kill has left half written.
pub fn is_partial(name: &str) -> bool {
    name.ends_with(PARTIAL)
}

/// Writes a file with this content.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    replace_by(path, |beside| Ok(fs::write(beside, content)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        replace(&path, b"old").unwrap();
        let failed = replace_by(&path, |beside| {
            fs::write(beside, b"half")?;
            bail!("the disk is full")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("the disk is full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_regular_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(replace(folder.path(), b"x").is_err());
        assert!(format!("{:#}", replace(Path::new("/dev/null"), b"x").unwrap_err()).contains("no regular file"));
    }
}
