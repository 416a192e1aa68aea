//! Memory that ran out in libtorch: tch panics with what the allocator said.

use super::Failure;
use super::output::tell;
use anyhow::anyhow;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

/// What allocators of libtorch say.
const SAID: [&str; 3] = ["can't allocate memory", "not enough memory", "out of memory"];

/// Runs a command; memory that runs out is its failure. Other panics are faults of this program and stay panics.
pub fn caught(run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        match panic.payload_as_str() {
            // Where another thread ends, nobody returns what it said.
            Some(text) if ran_out(text) && thread::current().name() != Some("main") => tell!("{}", first_line(text)),
            Some(text) if ran_out(text) => {}
            _ => hook(panic),
        }
    }));
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        match text.or(payload.downcast_ref::<&str>().copied()) {
            Some(text) if ran_out(text) => Err(Failure::Failed(anyhow!(
                "memory ran out: {}; choose a smaller batch, model or number of examples",
                first_line(text)
            ))),
            _ => panic::resume_unwind(payload),
        }
    })
}

fn ran_out(text: &str) -> bool {
    SAID.iter().any(|said| text.contains(said))
}

/// tch quotes libtorch's message, in which line ends are escaped.
fn first_line(text: &str) -> &str {
    let start = text.find("Torch(\"").map_or(0, |place| place + "Torch(\"".len());
    let text = &text[start..];
    text.split("\\n").next().unwrap_or(text)
}
