//! The capabilities of libtorch on this machine, and process-wide settings.

use super::{Result, ffi};
use std::ffi::CStr;
use std::ptr;
use std::sync::{Mutex, PoisonError};
use tch::Device;

/// The capabilities of libtorch on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Version of libtorch: `2.11.0`.
    pub version: String,
    /// Widest vector instructions that libtorch uses: `AVX512`.
    pub cpu: String,
    /// Threads per operation.
    pub threads: usize,
    /// Whether libtorch was built with CUDA and its library is loaded.
    pub cuda_compiled: bool,
    /// Usable CUDA devices; 0 without driver or device.
    pub cuda_devices: usize,
}

pub fn capabilities() -> Result<Capabilities> {
    // SAFETY: a static text.
    let version = unsafe { CStr::from_ptr(ffi::laformer_version()) };
    let mut cpu = ptr::null_mut();
    // SAFETY: on success `cpu` holds a text of ours to take.
    let cpu = unsafe {
        ffi::check(ffi::laformer_cpu_capability(&mut cpu))?;
        ffi::take_text(cpu)
    };
    Ok(Capabilities {
        version: version.to_string_lossy().into_owned(),
        cpu,
        threads: usize::try_from(tch::get_num_threads()).unwrap_or(1),
        cuda_compiled: tch::utils::has_cudart(),
        cuda_devices: usize::try_from(tch::Cuda::device_count()).unwrap_or(0),
    })
}

/// libtorch's name of a device: `cpu`, `cuda:0`.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

/// Makes every operation bitwise reproducible on the same device and thread count. Operations without a deterministic kernel fail.
/// Call it before other threads start and before the first use of cuBLAS, which reads an environment variable set here.
pub fn set_deterministic(deterministic: bool) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { ffi::check(ffi::laformer_set_deterministic(deterministic)) }
}

/// Sets whether CUDA devices may round the factors of fp32 matrix products and recurrences to TF32 (10 bits of mantissa). This is
/// much faster and as reproducible as fp32; sums stay fp32. By default, libtorch allows it for recurrences but not for products.
pub fn set_tf32(allowed: bool) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { ffi::check(ffi::laformer_set_tf32(allowed)) }
}

/// A guard: the process may use TF32 until it is dropped.
#[derive(Debug)]
pub struct Tf32(());

impl Tf32 {
    pub fn allow() -> Result<Self> {
        set_tf32(true)?;
        Ok(Self(()))
    }
}

impl Drop for Tf32 {
    fn drop(&mut self) {
        // Setting the same flags has succeeded before, so the error can be ignored.
        let _ = set_tf32(false);
    }
}

/// Limits libtorch's threads to the CPUs available to this process. libtorch counts the cores of the machine or of the affinity mask
/// and ignores a container's CPU quota. A number set in the environment is kept.
pub fn limit_threads() {
    let is_set = ["OMP_NUM_THREADS", "MKL_NUM_THREADS"].map(|name| std::env::var_os(name).is_some());
    let available = std::thread::available_parallelism().map_or(1, usize::from) as i32;
    if is_set == [false; 2] && tch::get_num_threads() > available {
        tch::set_num_threads(available);
    }
}

/// Seeds libtorch's CPU generator and runs `draw` under a lock. The process has one generator, so a draw of another thread would
/// change the numbers.
pub fn seeded<T>(seed: u64, draw: impl FnOnce() -> T) -> T {
    static GENERATOR: Mutex<()> = Mutex::new(());
    // A panic while drawing does no harm, because the next call seeds again.
    let _generator = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    // libtorch casts the 64 bits back to unsigned.
    tch::manual_seed(seed as i64);
    draw()
}

/// Keeps freed memory for the next tensors. By default, glibc returns large blocks to the system, which zeroes them again in every
/// training step.
pub fn keep_memory() {
    // SAFETY: no pointers.
    unsafe { ffi::laformer_keep_memory() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    #[test]
    fn a_seed_gives_the_same_numbers_beside_other_threads() {
        let draw = |seed: u64| seeded(seed, || Tensor::randn([1000], (Kind::Float, Device::Cpu)));
        let alone = draw(1);
        std::thread::scope(|scope| {
            for seed in 2..4 {
                scope.spawn(move || (0..200).for_each(|_| drop(draw(seed))));
            }
            for _ in 0..200 {
                assert!(draw(1).equal(&alone));
            }
        });
    }

    #[test]
    fn capabilities_name_version_processor_and_threads() {
        let found = capabilities().unwrap();
        assert!(found.version.starts_with("2."), "{found:?}");
        assert!(!found.cpu.is_empty());
        assert!(found.threads >= 1);
    }
}
