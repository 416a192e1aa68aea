//! Turns tch's panic when memory runs out into an error.

use super::Failure;
use super::output::tell;
use anyhow::anyhow;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

/// Parts of the error messages of libtorch's allocators.
const SAID: [&str; 3] = ["can't allocate memory", "not enough memory", "out of memory"];

/// Runs a command; if memory runs out, the command fails. Other panics are bugs and stay panics.
pub fn caught(run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        match panic.payload_as_str() {
            // The message of a panic in another thread would be lost.
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

/// The first line of libtorch's message, which tch quotes with escaped newlines.
fn first_line(text: &str) -> &str {
    let start = text.find("Torch(\"").map_or(0, |place| place + "Torch(\"".len());
    let text = &text[start..];
    text.split("\\n").next().unwrap_or(text)
}
