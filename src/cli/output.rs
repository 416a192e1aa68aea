//! Standard output.

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

pub fn line(text: fmt::Arguments<'_>) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
