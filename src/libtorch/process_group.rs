//! Processes that train together, by libtorch's c10d (`process_group.cc`): sums and broadcasts of tensors, over Gloo and NCCL.

use super::{Error, Result, ffi};
use std::fmt;
use std::net::IpAddr;
use std::ptr::{self, NonNull};
use std::sync::{Arc, mpsc};
use std::thread;
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
    /// Where the other processes reach this one.
    pub network: Network,
    /// Whether tensors on CUDA devices are exchanged.
    pub cuda: bool,
}

/// A place of this machine in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// The name of an interface.
    Interface(String),
    Address(IpAddr),
}

/// The processes that train together. Each must make the same calls in the same order.
pub struct ProcessGroup {
    raw: Arc<Raw>,
}

struct Raw(NonNull<ffi::RawProcessGroup>);

// SAFETY: c10d's process groups and stores lock their shared state, and are not bound to a thread.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

impl Raw {
    fn as_ptr(&self) -> *mut ffi::RawProcessGroup {
        self.0.as_ptr()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { ffi::laformer_group_free(self.as_ptr()) }
    }
}

impl fmt::Debug for ProcessGroup {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("ProcessGroup").finish_non_exhaustive()
    }
}

impl ProcessGroup {
    /// Waits until all processes have joined.
    pub fn join(rendezvous: &Rendezvous) -> Result<Self> {
        let (host, prefix) = (ffi::c_text(&rendezvous.host)?, ffi::c_text(&rendezvous.prefix)?);
        let (network, is_interface) = match &rendezvous.network {
            Network::Interface(name) => (ffi::c_text(name)?, true),
            Network::Address(address) => (ffi::c_text(&address.to_string())?, false),
        };
        let mut raw = ptr::null_mut();
        // SAFETY: three texts that live through the call; on success `raw` holds a new object of ours.
        unsafe {
            ffi::check(ffi::laformer_group_join(
                host.as_ptr(),
                rendezvous.port,
                rendezvous.serves,
                prefix.as_ptr(),
                rendezvous.rank as i32,
                rendezvous.count as i32,
                rendezvous.timeout.as_secs() as i64,
                network.as_ptr(),
                is_interface,
                rendezvous.cuda,
                &mut raw,
            ))?;
        }
        Ok(Self {
            raw: Arc::new(Raw(ffi::owned(raw, "process group")?)),
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

    /// Adds a key to the store, so that [`Self::told`] is true for it in all processes. Fails if the store does not answer
    /// within `limit`.
    pub fn tell(&self, key: &str, limit: Duration) -> Result<()> {
        let key = ffi::c_text(key)?;
        // SAFETY: a live object, and a text that lives through the call.
        self.ask(limit, move |raw| unsafe {
            ffi::check(ffi::laformer_group_tell(raw.as_ptr(), key.as_ptr()))
        })
    }

    /// Whether a key is in the store. Fails if the store does not answer within `limit`.
    pub fn told(&self, key: &str, limit: Duration) -> Result<bool> {
        let key = ffi::c_text(key)?;
        self.ask(limit, move |raw| {
            let mut told = false;
            // SAFETY: a live object, and a text that lives through the call.
            unsafe { ffi::check(ffi::laformer_group_told(raw.as_ptr(), key.as_ptr(), &mut told))? };
            Ok(told)
        })
    }

    /// Closes the connections to the other processes, so that they do not wait for this one. Later sums and broadcasts fail; the
    /// store still answers.
    pub fn leave(&self) -> Result<()> {
        // SAFETY: a live object. Only sums and broadcasts use the connections, and none runs meanwhile.
        unsafe { ffi::check(ffi::laformer_group_leave(self.raw.as_ptr())) }
    }

    /// Asks the store in another thread: an answer that is lost on the way would be waited for without end.
    fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        question: impl FnOnce(&Raw) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let raw = Arc::clone(&self.raw);
        let (sender, answer) = mpsc::channel();
        thread::spawn(move || {
            // Nobody receives it after the limit.
            let _ = sender.send(question(&raw));
        });
        answer
            .recv_timeout(limit)
            .unwrap_or_else(|_| Err(Error(format!("no answer within {} s", limit.as_secs()))))
    }
}
