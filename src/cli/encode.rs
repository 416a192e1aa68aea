//! `laformer encode`: the tokens of a matrix.

use super::output::say;
use super::{Failure, UsageError};
use crate::encoding::{self, Vocabulary};
use crate::matrix::text;
use anyhow::Context;
use clap::Args;

/// Print the tokens of a matrix, separated by blanks
#[derive(Debug, Args)]
pub struct Encode {
    /// P10, P1000, B1999 or FP15, with digits after a colon: P1000:4
    encoding: String,
    /// A matrix as JSON: [[3.14,0],[1,2]]
    matrix: String,
}

impl Encode {
    pub fn run(self) -> Result<(), Failure> {
        let encoding = encoding::named(&self.encoding).usage()?;
        let matrix = text::parse(&self.matrix)
            .with_context(|| format!("`{}` is not a matrix", self.matrix))
            .usage()?;
        let vocabulary = Vocabulary::new(encoding);
        say!("{}", vocabulary.words_of_matrix(&matrix).usage()?.join(" "))?;
        Ok(())
    }
}
