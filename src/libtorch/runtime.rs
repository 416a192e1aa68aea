//! What this libtorch can do, and settings of the whole process. Threads, devices and kernels are asked of tch.

use super::ffi;
use anyhow::Result;
use std::ffi::CStr;
use std::ptr;

/// Version of libtorch: `2.11.0`.
pub fn version() -> String {
    // SAFETY: a static text.
    unsafe { CStr::from_ptr(ffi::laformer_version()) }
        .to_string_lossy()
        .into_owned()
}

/// The widest vector instructions that libtorch uses: `AVX512`; `unknown` where it does not say.
pub fn cpu_capability() -> String {
    let mut capability = ptr::null_mut();
    // SAFETY: on success `capability` holds a text of ours to take.
    unsafe {
        match ffi::check(ffi::laformer_cpu_capability(&mut capability)) {
            Ok(()) => ffi::take_text(capability),
            Err(_) => "unknown".into(),
        }
    }
}

/// Whether libtorch was built with CUDA and its library is loaded; there may still be no device.
pub fn has_cuda_build() -> bool {
    tch::utils::has_cudart()
}

/// Whether the CPU multiplies bf16 numbers itself, so that bf16 is faster than fp32.
#[cfg(target_arch = "x86_64")]
pub fn has_fast_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

/// Whether the CPU multiplies bf16 numbers itself, so that bf16 is faster than fp32.
#[cfg(target_arch = "aarch64")]
pub fn has_fast_bf16() -> bool {
    std::arch::is_aarch64_feature_detected!("bf16")
}

/// Not known for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn has_fast_bf16() -> bool {
    false
}

/// Makes every operation repeat its bits on the same device and thread count; operations that cannot, fail.
/// On CUDA, cuBLAS also wants `CUBLAS_WORKSPACE_CONFIG=:4096:8` in the environment before its first use.
pub fn set_deterministic(deterministic: bool) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { ffi::check(ffi::laformer_set_deterministic(deterministic))? }
    Ok(())
}

/// How exact float32 matrix products are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatmulPrecision {
    /// float32 throughout.
    Highest,
    /// TF32 where the device has it: 10 bits of mantissa.
    High,
    /// bf16 where the device has it: 7 bits of mantissa.
    Medium,
}

pub fn set_matmul_precision(precision: MatmulPrecision) -> Result<()> {
    let name = match precision {
        MatmulPrecision::Highest => c"highest",
        MatmulPrecision::High => c"high",
        MatmulPrecision::Medium => c"medium",
    };
    // SAFETY: a static text.
    unsafe { ffi::check(ffi::laformer_set_matmul_precision(name.as_ptr()))? }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_is_the_version_this_crate_is_made_for() {
        assert!(version().starts_with("2.11"), "{}", version());
        assert_ne!(cpu_capability(), "unknown");
    }
}
