//! Standard output, and what is told beside it.

use std::fmt;
use std::io::{self, Write};

/// `println!` with an error in place of a panic: where the reader has closed stdout, the error ends the command quietly (see
/// [`super::Failure`]).
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::line(format_args!($($text)*))
    };
}
pub(in crate::cli) use say;

/// `eprintln!` without its panic: a work of hours does not end because nobody listens to its progress any more.
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
