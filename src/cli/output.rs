//! Output on stdout and messages on stderr, without the panics of `println!` and `eprintln!`.

use std::fmt;
use std::io::{self, Write};

/// `println!`, with an error instead of a panic. If the reader has closed stdout, the error ends the command quietly
/// (see [`super::Failure`]).
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::line(format_args!($($text)*))
    };
}
pub(in crate::cli) use say;

/// `eprintln!` without its panic: a closed stderr must not end a training run.
macro_rules! tell {
    ($($text:tt)*) => {
        $crate::cli::output::aside(format_args!($($text)*))
    };
}
pub(in crate::cli) use tell;

pub fn aside(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}

pub fn line(text: fmt::Arguments<'_>) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
