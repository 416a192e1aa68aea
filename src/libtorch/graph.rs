//! CUDA graphs (`graph.cc`), which record work once and repeat it as one launch; streams and page-locked memory.

use super::{Error, Result, ffi};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use tch::Tensor;

/// Copies a CPU tensor to page-locked memory, from which a CUDA device copies while the CPU goes on. libtorch reuses the memory only
/// after pending copies are done.
pub fn pin_memory(tensor: &Tensor) -> Result<Tensor> {
    let mut pinned = ptr::null_mut();
    // SAFETY: a live tensor; on success `pinned` holds a new tensor of ours. (tch's own function is deprecated by libtorch,
    // which warns at every call.)
    unsafe {
        ffi::check(ffi::laformer_pin(tensor.as_ptr(), &mut pinned))?;
        Ok(Tensor::from_ptr(pinned))
    }
}

/// A CUDA stream that receives this thread's work until it is dropped. Work on the default stream cannot be recorded.
#[derive(Debug)]
pub struct Stream {
    /// The pointer makes the type neither `Send` nor `Sync`, because the stream is current only in its thread.
    guard: NonNull<ffi::RawStreamGuard>,
}

impl Stream {
    /// Waits for the work of the default stream, then makes another stream current.
    pub fn enter(device_index: usize) -> Result<Self> {
        let index = device_index
            .try_into()
            .map_err(|_| Error(format!("there is no CUDA device {device_index}")))?;
        let mut guard = ptr::null_mut();
        // SAFETY: on success `guard` holds a new object of ours.
        unsafe { ffi::check(ffi::laformer_stream_enter(index, &mut guard)) }?;
        Ok(Self {
            guard: ffi::owned(guard, "stream")?,
        })
    }
}

impl Drop for Stream {
    /// Makes the previous stream current again and waits for this one's work.
    fn drop(&mut self) {
        // SAFETY: ours, of this thread, and not used again. A failure on the device is reported again at the next use.
        let _ = unsafe { ffi::check(ffi::laformer_stream_leave(self.guard.as_ptr())) };
    }
}

/// A recording of work on a CUDA device, which is repeated on the same memory.
pub struct Graph {
    raw: NonNull<ffi::RawGraph>,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Graph").finish_non_exhaustive()
    }
}

impl Graph {
    /// Whether this program supports CUDA graphs. They need a libtorch with CUDA, and CUDA's headers at build time.
    pub fn is_compiled() -> bool {
        // SAFETY: no pointers.
        unsafe { ffi::laformer_graphs_compiled() }
    }

    /// Records the work of `body` on the current [`Stream`], including backward passes, without doing it.
    ///
    /// `body` must not read numbers back from the device. Only the content of tensors may change between repetitions. Tensors from
    /// outside `body` must outlive the graph. New tensors share the memory of the graph `sharing`, if given: replaying one graph
    /// overwrites the results of the other. An error or panic of `body` ends the recording.
    pub fn record<E: From<Error>>(
        sharing: Option<&Self>,
        body: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let mut raw = ptr::null_mut();
        // SAFETY: on success `raw` holds a new graph of ours.
        unsafe { ffi::check(ffi::laformer_graph_new(&mut raw)) }?;
        let graph = Self {
            raw: ffi::owned(raw, "graph")?,
        };
        let sharing = sharing.map_or(ptr::null_mut(), |other| other.raw.as_ptr());
        // SAFETY: live graphs.
        unsafe { ffi::check(ffi::laformer_graph_begin(graph.raw.as_ptr(), sharing)) }?;
        let outcome = catch_unwind(AssertUnwindSafe(body));
        // SAFETY: a live graph.
        let end = unsafe { ffi::check(ffi::laformer_graph_end(graph.raw.as_ptr())) };
        // The body's own error says more than the error of `end` that follows from it.
        outcome.map_err(|panic| Error(ffi::panic_message(&*panic)))??;
        end?;
        Ok(graph)
    }

    /// Queues the recorded work once more, without waiting for it.
    pub fn replay(&self) -> Result<()> {
        // SAFETY: a live graph.
        unsafe { ffi::check(ffi::laformer_graph_replay(self.raw.as_ptr())) }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        let _ = unsafe { ffi::check(ffi::laformer_graph_free(self.raw.as_ptr())) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Cuda, Device, Kind};

    #[test]
    fn without_a_device_nothing_is_recorded_or_pinned() {
        if Cuda::is_available() {
            println!("skipped: there is a CUDA device");
            return;
        }
        assert!(Stream::enter(0).is_err());
        assert!(pin_memory(&Tensor::zeros([2], (Kind::Float, Device::Cpu))).is_err());
        let error = Graph::record::<Error>(None, || panic!("recorded")).unwrap_err();
        assert!(!error.to_string().contains("recorded"), "{error}");
    }

    #[test]
    fn a_recorded_sum_reads_its_inputs_anew() {
        if !Cuda::is_available() || !Graph::is_compiled() {
            println!("skipped: no CUDA device");
            return;
        }
        let _stream = Stream::enter(0).unwrap();
        let device = Device::Cuda(0);
        let mut input = Tensor::ones([3], (Kind::Float, device));
        let mut sum = Tensor::zeros([3], (Kind::Float, device));
        let mut add = || {
            sum += &input * 2.0;
            Ok::<_, Error>(())
        };
        add().unwrap();
        let graph = Graph::record(None, add).unwrap();
        let value = |sum: &Tensor| sum.sum(Kind::Float).double_value(&[]);
        assert_eq!(value(&sum), 6.0);
        for step in 1..4 {
            let _ = input.fill_(f64::from(step));
            graph.replay().unwrap();
        }
        assert_eq!(value(&sum), 6.0 * 7.0);
    }

    #[test]
    fn a_failed_recording_leaves_the_device_usable() {
        if !Cuda::is_available() || !Graph::is_compiled() {
            println!("skipped: no CUDA device");
            return;
        }
        let _stream = Stream::enter(0).unwrap();
        let failed = Graph::record(None, || Err(Error("not today".into())));
        assert_eq!(failed.unwrap_err().to_string(), "not today");
        assert_eq!(
            Tensor::ones([3], (Kind::Float, Device::Cuda(0)))
                .sum(Kind::Float)
                .double_value(&[]),
            3.0
        );
    }
}
