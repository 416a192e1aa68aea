//! Atomic writes (a temporary file, then a rename), and reads of bounded size.

use anyhow::{Context, Result, ensure};
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::Builder;

const PARTIAL: &str = ".partial";
/// The mode of new files, before the process's umask.
const MODE: u32 = 0o666;
/// The largest file that [`read`] accepts: 4 GiB.
const MOST_BYTES: u64 = 1 << 32;
/// The longest chain of symbolic links that Linux follows.
const LINKS: usize = 40;

/// Lets `write` fill a temporary file beside `path`, then renames it to `path`. If the process is killed meanwhile, the
/// old file stays intact. If `path` is a symbolic link, its target is replaced. A replaced file keeps its mode.
pub fn replace_by(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let replace = || -> Result<()> {
        let place = followed(path);
        let old = match fs::metadata(&place) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        // A rename would destroy a device or a pipe.
        ensure!(
            old.as_ref().is_none_or(fs::Metadata::is_file),
            "it exists, but is not a regular file"
        );
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let beside = Builder::new()
            .suffix(PARTIAL)
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        write(beside.path())?;
        if let Some(old) = old {
            beside.as_file().set_permissions(old.permissions())?;
        }
        // After a power cut, the renamed file must not be empty.
        beside.as_file().sync_all()?;
        beside.persist(&place)?;
        Ok(())
    };
    replace().with_context(|| format!("cannot write {}", path.display()))
}

/// Follows symbolic links to their target, which may not exist. For a loop of links, returns one of the links.
fn followed(path: &Path) -> PathBuf {
    let mut place = path.to_path_buf();
    for _ in 0..LINKS {
        match fs::read_link(&place) {
            Ok(target) => place = place.with_file_name("").join(target),
            Err(_) => break,
        }
    }
    place
}

/// Whether a path exists. Fails if the system cannot tell.
pub fn exists(path: &Path) -> Result<bool> {
    match path.try_exists() {
        // A parent of the path is a regular file.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        exists => exists.with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The content of a regular file of at most 4 GiB.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    // To open a pipe would wait for its writer.
    let found = fs::metadata(path).with_context(cannot)?;
    ensure!(found.is_file(), "{} is not a regular file", path.display());
    ensure!(
        found.len() <= MOST_BYTES,
        "{} has {} bytes, but at most {MOST_BYTES} are allowed",
        path.display(),
        found.len()
    );
    let file = fs::File::open(path).with_context(cannot)?;
    let mut content = Vec::new();
    // The file may have grown since its size was read.
    file.take(MOST_BYTES).read_to_end(&mut content).with_context(cannot)?;
    Ok(content)
}

/// Whether a file name belongs to a temporary file, which a killed write leaves behind.
pub fn is_partial(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(PARTIAL)
}

/// Writes `content` to a file, atomically.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    replace_by(path, |beside| Ok(fs::write(beside, content)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use std::os::unix::fs::symlink;

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
        assert!(format!("{:#}", replace(Path::new("/dev/null"), b"x").unwrap_err()).contains("not a regular file"));
    }

    #[test]
    fn a_replaced_file_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        fs::write(&path, b"old").unwrap();
        for kept in [0o600, 0o664, 0o444] {
            fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
            replace(&path, b"new").unwrap();
            assert_eq!(mode(), kept);
        }
    }

    #[test]
    fn symbolic_links_are_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        symlink("elsewhere/file", at("relative")).unwrap();
        symlink(at("relative"), at("absolute")).unwrap();
        for content in ["to nothing yet", "to a file"] {
            replace(&at("absolute"), content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("elsewhere/file")).unwrap(), content);
            assert!(at("absolute").is_symlink() && at("relative").is_symlink());
        }
        symlink("loop", at("loop")).unwrap();
        assert!(replace(&at("loop"), b"x").is_err());
    }
}
