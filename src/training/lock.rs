//! Locks of run folders, which only one process at a time may use.

use anyhow::{Context, Result, bail};
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const NAME: &str = ".lock";

/// The lock of a run folder. It ends when it is dropped, and also when the process is killed.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Whether the folder was created for the lock.
    is_new: bool,
    _file: File,
}

impl Lock {
    /// Locks a folder, which is created if missing. Returns `None` if the file system does not support locks. Fails if
    /// another process holds the lock; the error names it.
    pub fn take(folder: &Path) -> Result<Option<Self>> {
        let is_new = !folder.try_exists().unwrap_or(true);
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(NAME);
        let context = || format!("cannot lock {}", folder.display());
        loop {
            let mut options = File::options();
            let file = options.read(true).write(true).create(true).truncate(false);
            let mut file = file.open(&path).with_context(context)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(in_use(folder, &mut file).into()),
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(None),
                Err(TryLockError::Error(error)) => bail!(error),
            }
            // The previous holder may have deleted the file between the two calls above.
            let own = file.metadata().with_context(context)?;
            if fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())) {
                file.set_len(0).with_context(context)?;
                write!(file, "{}", std::process::id()).with_context(context)?;
                return Ok(Some(Self {
                    path,
                    is_new,
                    _file: file,
                }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        if let (true, Some(folder)) = (self.is_new, self.path.parent()) {
            // Fails if the folder contains a run, which is intended.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Another process holds the lock of a run folder.
#[derive(Debug, thiserror::Error)]
#[error("{folder} is in use by {holder}: wait until it ends, or choose another --output", folder = .folder.display())]
pub struct InUse {
    folder: PathBuf,
    holder: String,
}

fn in_use(folder: &Path, file: &mut File) -> InUse {
    let mut holder = String::new();
    let _ = file.read_to_string(&mut holder);
    let holder = if holder.is_empty() {
        "another process".into()
    } else {
        format!("process {holder}")
    };
    InUse {
        folder: folder.to_path_buf(),
        holder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_keeps_others_out_until_it_is_dropped_and_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        let lock = Lock::take(&folder).unwrap().unwrap();
        let text = Lock::take(&folder).unwrap_err().to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(lock);
        assert!(!folder.exists());
        fs::create_dir(&folder).unwrap();
        drop(Lock::take(&folder).unwrap().unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn the_file_of_a_killed_process_does_not_lock() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "12345").unwrap();
        assert!(Lock::take(folder.path()).unwrap().is_some());
    }
}
