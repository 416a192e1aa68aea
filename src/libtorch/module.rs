//! TorchScript modules: traced from Rust closures, extended with scripted source, called, saved and loaded.

use super::{Error, Result, device_name, ffi};
use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use tch::{Device, Tensor};
use torch_sys::C_tensor;

/// A `torch::jit::Module`.
///
/// Register tensors before tracing, so that traced methods refer to them by name. Dotted names make submodules. The module shares
/// the tensors with the caller, so later writes to them affect it.
#[derive(Debug)]
pub struct Module {
    raw: NonNull<ffi::RawModule>,
}

impl Module {
    pub fn new() -> Result<Self> {
        let mut raw = ptr::null_mut();
        // SAFETY: on success `raw` holds a new module that becomes ours.
        unsafe { ffi::check(ffi::laformer_module_new(&mut raw))? };
        Self::of(raw)
    }

    /// Loads the content of a file onto a device.
    pub fn load(content: &[u8], device: Device) -> Result<Self> {
        let device = ffi::c_text(&device_name(device))?;
        let mut raw = ptr::null_mut();
        // SAFETY: live bytes, which the module does not keep, and text; on success `raw` holds a new module that becomes ours.
        unsafe {
            ffi::check(ffi::laformer_module_load(
                content.as_ptr().cast(),
                content.len(),
                device.as_ptr(),
                &mut raw,
            ))?
        };
        Self::of(raw)
    }

    fn of(raw: *mut ffi::RawModule) -> Result<Self> {
        let raw = NonNull::new(raw).ok_or_else(|| Error("libtorch made no module".into()))?;
        Ok(Self { raw })
    }

    /// Registers a tensor that `parameters()` will list. Its `requires_grad` does not change.
    pub fn register_parameter(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        let c_name = ffi::c_text(name)?;
        // SAFETY: a live module, text and tensor.
        unsafe {
            let module = self.raw.as_ptr();
            ffi::check(ffi::laformer_module_register_parameter(
                module,
                c_name.as_ptr(),
                tensor.as_ptr(),
            ))
        }
    }

    /// Registers a tensor that moves with the module, but is not trained.
    pub fn register_buffer(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        let c_name = ffi::c_text(name)?;
        // SAFETY: a live module, text and tensor.
        unsafe {
            let module = self.raw.as_ptr();
            ffi::check(ffi::laformer_module_register_buffer(
                module,
                c_name.as_ptr(),
                tensor.as_ptr(),
            ))
        }
    }

    /// Sets a new or existing attribute of type `int`.
    pub fn set_int(&mut self, name: &str, value: i64) -> Result<()> {
        let name = ffi::c_text(name)?;
        // SAFETY: a live module and text.
        unsafe { ffi::check(ffi::laformer_module_set_int(self.raw.as_ptr(), name.as_ptr(), value)) }
    }

    /// Sets an attribute of type `float`.
    pub fn set_float(&mut self, name: &str, value: f64) -> Result<()> {
        let name = ffi::c_text(name)?;
        // SAFETY: a live module and text.
        unsafe { ffi::check(ffi::laformer_module_set_float(self.raw.as_ptr(), name.as_ptr(), value)) }
    }

    /// Sets an attribute of type `List[str]`.
    pub fn set_texts(&mut self, name: &str, texts: &[&str]) -> Result<()> {
        let name = ffi::c_text(name)?;
        let texts = texts.iter().map(|text| ffi::c_text(text)).collect::<Result<Vec<_>>>()?;
        let texts: Vec<_> = texts.iter().map(|text| text.as_ptr()).collect();
        // SAFETY: a live module and texts.
        unsafe {
            ffi::check(ffi::laformer_module_set_texts(
                self.raw.as_ptr(),
                name.as_ptr(),
                texts.as_ptr(),
                texts.len(),
            ))
        }
    }

    /// Sets an attribute of type `List[int]`.
    pub fn set_ints(&mut self, name: &str, numbers: &[i64]) -> Result<()> {
        let name = ffi::c_text(name)?;
        // SAFETY: a live module, text and numbers.
        unsafe {
            ffi::check(ffi::laformer_module_set_ints(
                self.raw.as_ptr(),
                name.as_ptr(),
                numbers.as_ptr(),
                numbers.len(),
            ))
        }
    }

    /// Sets an attribute of type `List[List[int]]`.
    pub fn set_rows(&mut self, name: &str, rows: &[Vec<i64>]) -> Result<()> {
        let name = ffi::c_text(name)?;
        let lengths: Vec<_> = rows.iter().map(Vec::len).collect();
        let numbers = rows.concat();
        // SAFETY: a live module and text; as many numbers as the lengths add up to.
        unsafe {
            ffi::check(ffi::laformer_module_set_rows(
                self.raw.as_ptr(),
                name.as_ptr(),
                numbers.as_ptr(),
                lengths.as_ptr(),
                lengths.len(),
            ))
        }
    }

    /// Calls a method without gradients. Tensor arguments come from `tensors`, integers and booleans from `numbers`, in order; an
    /// argument of type `List[Tensor]` takes all remaining tensors. Returns the tensors of the result in order.
    pub fn call(&self, method: &str, tensors: &[Tensor], numbers: &[i64]) -> Result<Vec<Tensor>> {
        let method = ffi::c_text(method)?;
        let mut results: Vec<Tensor> = Vec::new();
        // SAFETY: a live module, text, tensors and numbers; `receive` gets the list back, and only during the call.
        unsafe {
            ffi::check(ffi::laformer_module_call(
                self.raw.as_ptr(),
                method.as_ptr(),
                ffi::pointers(tensors).as_ptr(),
                tensors.len(),
                numbers.as_ptr(),
                numbers.len(),
                receive,
                (&raw mut results).cast(),
            ))?;
        }
        Ok(results)
    }

    /// Adds a method by tracing `body` on `samples`, without gradients. Several outputs become a tuple.
    ///
    /// The traced method holds for other batch sizes and lengths only if `body` uses no size that it reads from a tensor. Tensors
    /// that it creates are on the device of the first argument. A panic in `body` becomes an error.
    pub fn trace(
        &mut self,
        method: &str,
        arguments: &[&str],
        samples: &[Tensor],
        body: &dyn Fn(&[Tensor]) -> Vec<Tensor>,
    ) -> Result<()> {
        if arguments.len() != samples.len() || arguments.is_empty() {
            let (names, tensors) = (arguments.len(), samples.len());
            return Err(Error(format!(
                "method `{method}` has {names} arguments and {tensors} samples; it needs as many of both, at least one"
            )));
        }
        let c_method = ffi::c_text(method)?;
        let c_arguments = arguments
            .iter()
            .map(|name| ffi::c_text(name))
            .collect::<Result<Vec<_>>>()?;
        let c_arguments: Vec<_> = c_arguments.iter().map(|name| name.as_ptr()).collect();
        let mut context = TraceContext { body, panic: None };
        // SAFETY: a live module, texts and tensors; `run_body` gets the context back, and only during the call.
        let outcome = unsafe {
            ffi::check(ffi::laformer_module_trace(
                self.raw.as_ptr(),
                c_method.as_ptr(),
                c_arguments.as_ptr(),
                ffi::pointers(samples).as_ptr(),
                samples.len(),
                run_body,
                (&raw mut context).cast(),
            ))
        };
        let explain = |reason: &str| Error(format!("cannot trace method `{method}`: {reason}"));
        match (outcome, context.panic) {
            (Err(_), Some(panic)) => Err(explain(&panic)),
            (Err(error), None) => Err(explain(&error.0)),
            (Ok(()), _) => Ok(()),
        }
    }

    /// Compiles methods written in TorchScript. They may call one another and existing methods.
    pub fn define(&mut self, source: &str) -> Result<()> {
        let source = ffi::c_text(source)?;
        // SAFETY: a live module and text.
        unsafe { ffi::check(ffi::laformer_module_define(self.raw.as_ptr(), source.as_ptr())) }
    }

    /// The content of the module's file, with its tensors on the CPU and with the extra files.
    pub fn save(&self, extra: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let names = extra
            .keys()
            .map(|name| ffi::c_text(name))
            .collect::<Result<Vec<CString>>>()?;
        let names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let contents: Vec<_> = extra
            .values()
            .map(|content| content.as_ptr().cast::<c_char>())
            .collect();
        let lengths: Vec<_> = extra.values().map(String::len).collect();
        let mut content: Vec<u8> = Vec::new();
        // SAFETY: a live module and texts; three arrays of one length; `append` gets the content back, and only during the call.
        unsafe {
            ffi::check(ffi::laformer_module_save(
                self.raw.as_ptr(),
                names.as_ptr(),
                contents.as_ptr(),
                lengths.as_ptr(),
                names.len(),
                append,
                (&raw mut content).cast(),
            ))?;
        }
        Ok(content)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { ffi::laformer_module_free(self.raw.as_ptr()) }
    }
}

extern "C" fn append(content: *mut c_void, piece: *const c_void, length: usize) {
    if length > 0 {
        // SAFETY: `content` is the vector of `save`, which waits for this call; `piece` has `length` bytes.
        unsafe { (*content.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(piece.cast(), length)) }
    }
}

extern "C" fn receive(results: *mut c_void, tensor: *mut C_tensor) {
    // SAFETY: `results` is the vector of `call`, which waits for this call; the tensor is ours.
    unsafe { (*results.cast::<Vec<Tensor>>()).push(Tensor::from_ptr(tensor)) }
}

struct TraceContext<'a> {
    body: &'a dyn Fn(&[Tensor]) -> Vec<Tensor>,
    panic: Option<String>,
}

extern "C" fn run_body(context: *mut c_void, inputs: *const *mut C_tensor, count: usize, outputs: *mut c_void) -> bool {
    // SAFETY: the context of `trace`, which waits for this call.
    let context = unsafe { &mut *context.cast::<TraceContext>() };
    let body = context.body;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `count` live tensors, at least one; the clones share them.
        let inputs: Vec<_> = unsafe { std::slice::from_raw_parts(inputs, count) }
            .iter()
            .map(|&input| unsafe { Tensor::clone_from_ptr(input) })
            .collect();
        for output in body(&inputs) {
            // SAFETY: `outputs` is C++'s list of the running trace, which copies the live tensor.
            unsafe { ffi::laformer_push(outputs, output.as_ptr()) }
        }
    }));
    if let Err(panic) = outcome {
        context.panic = Some(ffi::panic_message(&*panic));
        return false;
    }
    true
}
