//! Processes that train together, by libtorch's c10d (`process_group.cc`): sums and broadcasts of tensors, over Gloo and NCCL.

use super::{Result, ffi};
use std::fmt;
use std::ptr::{self, NonNull};
use std::time::Duration;
use tch::Tensor;

/// How processes find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendezvous {
    /// The host and the port of the store.
    pub host: String,
    pub port: u16,
    /// Whether this process serves the store.
    pub serves: bool,
    /// The prefix of the keys in the store; it differs between attempts.
    pub prefix: String,
    /// The number of this process, from 0.
    pub rank: usize,
    /// The number of processes.
    pub count: usize,
    /// The time after which a call fails if other processes have not made it.
    pub timeout: Duration,
    /// Whether tensors on CUDA devices are exchanged.
    pub cuda: bool,
}

/// The processes that train together. Each must make the same calls in the same order.
pub struct ProcessGroup {
    raw: NonNull<ffi::RawProcessGroup>,
}

// SAFETY: c10d's process groups and stores lock their shared state, and are not bound to a thread.
unsafe impl Send for ProcessGroup {}

impl fmt::Debug for ProcessGroup {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("ProcessGroup").finish_non_exhaustive()
    }
}

impl ProcessGroup {
    /// Waits until all processes have joined.
    pub fn join(rendezvous: &Rendezvous) -> Result<Self> {
        let (host, prefix) = (ffi::c_text(&rendezvous.host)?, ffi::c_text(&rendezvous.prefix)?);
        let mut raw = ptr::null_mut();
        // SAFETY: two texts that live through the call; on success `raw` holds a new object of ours.
        unsafe {
            ffi::check(ffi::laformer_group_join(
                host.as_ptr(),
                rendezvous.port,
                rendezvous.serves,
                prefix.as_ptr(),
                rendezvous.rank as i32,
                rendezvous.count as i32,
                rendezvous.timeout.as_secs() as i64,
                rendezvous.cuda,
                &mut raw,
            ))?;
        }
        Ok(Self {
            raw: ffi::owned(raw, "process group")?,
        })
    }

    /// Replaces a tensor by its sum over all processes. All sum in the same order, so their results are bitwise equal.
    pub fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        // SAFETY: a live object and a live tensor.
        unsafe { ffi::check(ffi::laformer_group_sum(self.raw.as_ptr(), tensor.as_ptr())) }
    }

    /// Replaces a tensor by its value in process 0.
    pub fn broadcast(&self, tensor: &mut Tensor) -> Result<()> {
        // SAFETY: a live object and a live tensor.
        unsafe { ffi::check(ffi::laformer_group_broadcast(self.raw.as_ptr(), tensor.as_ptr())) }
    }

    /// Adds a key to the store, so that [`Self::told`] is true for it in all processes.
    pub fn tell(&self, key: &str) -> Result<()> {
        let key = ffi::c_text(key)?;
        // SAFETY: a live object, and a text that lives through the call.
        unsafe { ffi::check(ffi::laformer_group_tell(self.raw.as_ptr(), key.as_ptr())) }
    }

    /// Whether a key is in the store.
    pub fn told(&self, key: &str) -> Result<bool> {
        let key = ffi::c_text(key)?;
        let mut told = false;
        // SAFETY: a live object, and a text that lives through the call.
        unsafe { ffi::check(ffi::laformer_group_told(self.raw.as_ptr(), key.as_ptr(), &mut told))? };
        Ok(told)
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { ffi::laformer_group_free(self.raw.as_ptr()) }
    }
}
