//! Signals that ask a command to end.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The signals that terminals, systems and clusters send before they kill.
const SIGNALS: [(i32, &str); 3] = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT"), (SIGUSR1, "SIGUSR1")];

/// A signal that asks a process to end, and the exit code to end with: 128 plus the signal's number, as in shells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    pub name: &'static str,
    pub code: u8,
}

/// Remembers the first of these signals to arrive; a second one ends the process at once.
#[derive(Clone, Debug)]
pub struct Signals {
    received: Arc<AtomicUsize>,
}

impl Signals {
    pub fn listen() -> Result<Self> {
        let (received, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let listen = |signal: i32| -> std::io::Result<()> {
            // Handlers run in the order of registration. The shutdown must check `again` before this signal sets it.
            flag::register_conditional_shutdown(signal, 128 + signal, again.clone())?;
            flag::register(signal, again.clone())?;
            flag::register_usize(signal, received.clone(), signal as usize)?;
            Ok(())
        };
        let listening = SIGNALS.iter().try_for_each(|(signal, _)| listen(*signal));
        listening.context("cannot listen to signals")?;
        Ok(Self { received })
    }

    /// The signal that arrived, if any.
    pub fn received(&self) -> Option<Signal> {
        let number = self.received.load(Ordering::Relaxed);
        let found = SIGNALS.iter().find(|(signal, _)| *signal as usize == number);
        found.map(|&(signal, name)| Signal {
            name,
            code: (128 + signal) as u8,
        })
    }
}
