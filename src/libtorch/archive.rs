//! Files that travel inside a TorchScript archive beside the module (`_extra_files` in Python).

use super::{Error, Result, ffi};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

type Files = BTreeMap<String, Vec<u8>>;

/// Reads the extra files of a TorchScript archive, without loading its module. The error names the file.
pub fn read_extra_files(path: &Path) -> Result<Files> {
    let explain = |reason: String| {
        Error(format!(
            "{} is not a readable TorchScript module: {reason}",
            path.display()
        ))
    };
    // libtorch's own message for these is about zip archives.
    let metadata = std::fs::metadata(path).map_err(|error| explain(error.to_string()))?;
    if !metadata.is_file() {
        return Err(explain("it is not a file".into()));
    }
    let name = ffi::c_text(path.to_str().ok_or_else(|| explain("its path is not UTF-8".into()))?)?;
    let mut files = Files::new();
    // SAFETY: `visit` gets the map back as its context, and only during the call.
    unsafe {
        ffi::check(ffi::laformer_read_extra_files(
            name.as_ptr(),
            visit,
            (&raw mut files).cast(),
        ))
    }
    .map_err(|error| explain(error.0))?;
    Ok(files)
}

extern "C" fn visit(files: *mut c_void, name: *const c_char, content: *const c_void, length: usize) {
    // SAFETY: the context is the map above; the name ends with a null byte; the content is `length` bytes, or null if none.
    let (files, name, content) = unsafe {
        let bytes: &[u8] = if length == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(content.cast(), length)
        };
        (&mut *files.cast::<Files>(), CStr::from_ptr(name), bytes)
    };
    // An unwinding panic must not pass through C++; out of memory aborts anyway.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        files.insert(name.to_string_lossy().into_owned(), content.to_vec())
    }));
}
