//! Reading TorchScript archives: their tensors, and the files that travel beside them (`_extra_files` in Python).

use super::ffi;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tch::Tensor;
use torch_sys::C_tensor;

type Files = BTreeMap<String, Vec<u8>>;
type Tensors = BTreeMap<String, Tensor>;

/// Reads the extra files of a TorchScript archive, without loading its module. The error names the file.
pub fn read_extra_files(path: &Path) -> Result<Files> {
    let read = |name: CString| {
        let mut files = Files::new();
        // SAFETY: `visit_file` gets the map back as its context, and only during the call.
        unsafe {
            ffi::check(ffi::laformer_read_extra_files(
                name.as_ptr(),
                visit_file,
                (&raw mut files).cast(),
            ))?
        };
        Ok(files)
    };
    c_path(path).and_then(read).with_context(|| explanation(path))
}

/// Reads the parameters and buffers of a TorchScript module by their dotted names, on the CPU, and its extra files.
pub fn read_module(path: &Path) -> Result<(Tensors, Files)> {
    let files = read_extra_files(path)?;
    let read = |name: CString| {
        let mut tensors = Tensors::new();
        // SAFETY: `visit_tensor` gets the map back as its context, and only during the call.
        unsafe {
            ffi::check(ffi::laformer_read_tensors(
                name.as_ptr(),
                visit_tensor,
                (&raw mut tensors).cast(),
            ))?
        };
        Ok(tensors)
    };
    Ok((c_path(path).and_then(read).with_context(|| explanation(path))?, files))
}

fn explanation(path: &Path) -> String {
    format!("{} is not a readable TorchScript module", path.display())
}

/// The path for libtorch, whose own message for a file that is not there is about zip archives.
fn c_path(path: &Path) -> Result<CString> {
    if !std::fs::metadata(path)?.is_file() {
        bail!("it is not a file");
    }
    Ok(ffi::c_text(path.to_str().context("its path is not UTF-8")?)?)
}

extern "C" fn visit_file(files: *mut c_void, name: *const c_char, content: *const c_void, length: usize) {
    // SAFETY: the context is the map above; the name ends with a null byte; `content` is `length` bytes, or null if none.
    let (files, name, content) = unsafe {
        let bytes: &[u8] = if length == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(content.cast(), length)
        };
        (&mut *files.cast::<Files>(), CStr::from_ptr(name), bytes)
    };
    contained(|| files.insert(name.to_string_lossy().into_owned(), content.to_vec()));
}

extern "C" fn visit_tensor(tensors: *mut c_void, name: *const c_char, tensor: *mut C_tensor) {
    // SAFETY: the context is the map above; the name ends with a null byte; the tensor is new and becomes ours.
    let (tensors, name, tensor) = unsafe {
        (
            &mut *tensors.cast::<Tensors>(),
            CStr::from_ptr(name),
            Tensor::from_ptr(tensor),
        )
    };
    contained(|| tensors.insert(name.to_string_lossy().into_owned(), tensor));
}

/// A panic must not unwind through C++; inserting into a map has none to report.
fn contained<T>(insert: impl FnOnce() -> T) {
    let _ = catch_unwind(AssertUnwindSafe(insert));
}
