//! Declarations of `bridge.h`, and the conversions that all calls share.

use super::{Error, Result};
use std::any::Any;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;
use tch::Tensor;
use torch_sys::C_tensor;

/// A `torch::jit::Module`.
#[repr(C)]
pub(super) struct RawModule {
    _private: [u8; 0],
}

/// An `at::cuda::CUDAGraph`.
#[repr(C)]
pub(super) struct RawGraph {
    _private: [u8; 0],
}

/// A `c10::StreamGuard`.
#[repr(C)]
pub(super) struct RawStreamGuard {
    _private: [u8; 0],
}

/// A `laformer::ProcessGroup`.
#[repr(C)]
pub(super) struct RawProcessGroup {
    _private: [u8; 0],
}

pub(super) type Body = extern "C" fn(*mut c_void, *const *mut C_tensor, usize, *mut c_void) -> bool;
pub(super) type Receive = extern "C" fn(*mut c_void, *mut C_tensor);
pub(super) type Write = extern "C" fn(*mut c_void, *const c_void, usize);

unsafe extern "C" {
    pub(super) fn laformer_free(message: *mut c_char);
    pub(super) fn laformer_version() -> *const c_char;
    pub(super) fn laformer_cpu_capability(capability: *mut *mut c_char) -> *mut c_char;
    pub(super) fn laformer_set_deterministic(deterministic: bool) -> *mut c_char;
    pub(super) fn laformer_set_tf32(allowed: bool) -> *mut c_char;
    pub(super) fn laformer_keep_memory();
    pub(super) fn laformer_fused_adamw(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        averages: *const *const C_tensor,
        squares: *const *const C_tensor,
        steps: *const *const C_tensor,
        count: usize,
        learning_rate: *const C_tensor,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        epsilon: f64,
    ) -> *mut c_char;
    pub(super) fn laformer_set_gradient(parameter: *const C_tensor, gradient: *const C_tensor) -> *mut c_char;
    pub(super) fn laformer_channel_product(
        a: *const C_tensor,
        b: *const C_tensor,
        product: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(super) fn laformer_channel_norm(
        x: *const C_tensor,
        over_channels: bool,
        least: f64,
        norm: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(super) fn laformer_pin(tensor: *const C_tensor, pinned: *mut *mut C_tensor) -> *mut c_char;
    pub(super) fn laformer_stream_enter(device_index: c_int, guard: *mut *mut RawStreamGuard) -> *mut c_char;
    pub(super) fn laformer_stream_leave(guard: *mut RawStreamGuard) -> *mut c_char;
    pub(super) fn laformer_graphs_compiled() -> bool;
    pub(super) fn laformer_graph_new(graph: *mut *mut RawGraph) -> *mut c_char;
    pub(super) fn laformer_graph_free(graph: *mut RawGraph) -> *mut c_char;
    pub(super) fn laformer_graph_begin(graph: *mut RawGraph, sharing: *mut RawGraph) -> *mut c_char;
    pub(super) fn laformer_graph_end(graph: *mut RawGraph) -> *mut c_char;
    pub(super) fn laformer_graph_replay(graph: *mut RawGraph) -> *mut c_char;
    pub(super) fn laformer_group_join(
        host: *const c_char,
        port: u16,
        serves: bool,
        prefix: *const c_char,
        rank: c_int,
        count: c_int,
        seconds: i64,
        network: *const c_char,
        is_interface: bool,
        cuda: bool,
        group: *mut *mut RawProcessGroup,
    ) -> *mut c_char;
    pub(super) fn laformer_group_sum(group: *mut RawProcessGroup, tensor: *const C_tensor) -> *mut c_char;
    pub(super) fn laformer_group_broadcast(group: *mut RawProcessGroup, tensor: *const C_tensor) -> *mut c_char;
    pub(super) fn laformer_group_tell(group: *mut RawProcessGroup, key: *const c_char) -> *mut c_char;
    pub(super) fn laformer_group_told(group: *mut RawProcessGroup, key: *const c_char, told: *mut bool) -> *mut c_char;
    pub(super) fn laformer_group_leave(group: *mut RawProcessGroup) -> *mut c_char;
    pub(super) fn laformer_group_free(group: *mut RawProcessGroup);
    pub(super) fn laformer_module_new(module: *mut *mut RawModule) -> *mut c_char;
    pub(super) fn laformer_module_free(module: *mut RawModule);
    pub(super) fn laformer_module_register_parameter(
        module: *mut RawModule,
        name: *const c_char,
        tensor: *const C_tensor,
    ) -> *mut c_char;
    pub(super) fn laformer_module_register_buffer(
        module: *mut RawModule,
        name: *const c_char,
        tensor: *const C_tensor,
    ) -> *mut c_char;
    pub(super) fn laformer_module_set_int(module: *mut RawModule, name: *const c_char, value: i64) -> *mut c_char;
    pub(super) fn laformer_module_set_float(module: *mut RawModule, name: *const c_char, value: f64) -> *mut c_char;
    pub(super) fn laformer_module_set_texts(
        module: *mut RawModule,
        name: *const c_char,
        texts: *const *const c_char,
        count: usize,
    ) -> *mut c_char;
    pub(super) fn laformer_module_set_ints(
        module: *mut RawModule,
        name: *const c_char,
        numbers: *const i64,
        count: usize,
    ) -> *mut c_char;
    pub(super) fn laformer_module_set_rows(
        module: *mut RawModule,
        name: *const c_char,
        numbers: *const i64,
        lengths: *const usize,
        rows: usize,
    ) -> *mut c_char;
    pub(super) fn laformer_module_load(
        content: *const c_void,
        length: usize,
        device: *const c_char,
        module: *mut *mut RawModule,
    ) -> *mut c_char;
    pub(super) fn laformer_module_call(
        module: *mut RawModule,
        method: *const c_char,
        tensors: *const *const C_tensor,
        tensor_count: usize,
        numbers: *const i64,
        number_count: usize,
        receive: Receive,
        context: *mut c_void,
    ) -> *mut c_char;
    pub(super) fn laformer_push(outputs: *mut c_void, tensor: *const C_tensor);
    pub(super) fn laformer_module_trace(
        module: *mut RawModule,
        method: *const c_char,
        arguments: *const *const c_char,
        samples: *const *const C_tensor,
        count: usize,
        body: Body,
        context: *mut c_void,
    ) -> *mut c_char;
    pub(super) fn laformer_module_define(module: *mut RawModule, source: *const c_char) -> *mut c_char;
    pub(super) fn laformer_module_save(
        module: *mut RawModule,
        names: *const *const c_char,
        contents: *const *const c_char,
        lengths: *const usize,
        count: usize,
        write: Write,
        context: *mut c_void,
    ) -> *mut c_char;
}

/// Turns a call's error message, if any, into an error and frees it.
///
/// # Safety
/// `message` is null, or the unused return value of a function of the bridge.
pub(super) unsafe fn check(message: *mut c_char) -> Result<()> {
    if message.is_null() {
        Ok(())
    } else {
        Err(Error(unsafe { take_text(message) }))
    }
}

/// Copies and frees a text that the bridge allocated.
///
/// # Safety
/// `text` comes from the bridge, ends with a null byte, and is not used again.
pub(super) unsafe fn take_text(text: *mut c_char) -> String {
    // SAFETY: as the caller promises.
    unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        laformer_free(text);
        copy
    }
}

/// Takes a new object from the bridge. Fails if it is null.
pub(super) fn owned<T>(raw: *mut T, what: &str) -> Result<NonNull<T>> {
    NonNull::new(raw).ok_or_else(|| Error(format!("libtorch made no {what}")))
}

pub(super) fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error(format!("{text:?} contains a null byte")))
}

/// Pointers to the C++ tensors, valid while `tensors` live.
pub(super) fn pointers(tensors: &[Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(Tensor::as_ptr).collect()
}

/// The first line of a panic's message. Panics of tch quote libtorch's errors with whole tensors and a backtrace.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("it panicked");
    let end = [text.find('\n'), text.find("\\n")]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(text.len());
    text[..end].to_owned()
}
