//! What this libtorch can do, and settings of the whole process.

use super::{Result, ffi};
use std::ffi::CStr;
use std::ptr;
use std::sync::{Mutex, PoisonError};

/// What libtorch and this machine can do together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Version of libtorch: `2.11.0`.
    pub version: String,
    /// Widest vector instructions that libtorch uses: `AVX512`.
    pub cpu: String,
    /// Threads of one operation.
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

/// Makes every operation repeat its bits on the same device and thread count; operations that cannot, fail. cuBLAS is told by
/// the environment, which it reads at its first use: say it before, and before other threads start.
pub fn set_deterministic(deterministic: bool) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { ffi::check(ffi::laformer_set_deterministic(deterministic)) }
}

/// Whether CUDA devices may round the factors of fp32 matrix products and recurrences to TF32, 10 bits of mantissa, which is much
/// faster and repeats its bits as fp32 does. Sums stay fp32. libtorch begins with recurrences that do and products that do not.
pub fn set_tf32(allowed: bool) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { ffi::check(ffi::laformer_set_tf32(allowed)) }
}

/// While it lives, the process may use TF32.
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
        // It sets flags only, which did not fail before.
        let _ = set_tf32(false);
    }
}

/// Gives operations no more threads than this process may use: libtorch counts the cores of the machine or of the affinity, not
/// those that a container's quota pays for. A number in the environment stays.
pub fn limit_threads() {
    let is_set = ["OMP_NUM_THREADS", "MKL_NUM_THREADS"].map(|name| std::env::var_os(name).is_some());
    let available = std::thread::available_parallelism().map_or(1, usize::from) as i32;
    if is_set == [false; 2] && tch::get_num_threads() > available {
        tch::set_num_threads(available);
    }
}

/// Runs what draws from libtorch's CPU generator, seeded for it alone: the process has one generator, and another thread that
/// draws between the seed and the numbers would change them.
pub fn seeded<T>(seed: u64, draw: impl FnOnce() -> T) -> T {
    static GENERATOR: Mutex<()> = Mutex::new(());
    // A panic while drawing leaves nothing behind: the next seed begins anew.
    let _generator = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    // libtorch reads the 64 bits as unsigned again.
    tch::manual_seed(seed as i64);
    draw()
}

/// Keeps freed memory for the next tensors. By default glibc gives large blocks back, and the system zeroes them anew at
/// every step of a training.
pub fn keep_memory() {
    // SAFETY: no pointers.
    unsafe { ffi::laformer_keep_memory() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

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
