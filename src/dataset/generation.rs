//! Generation of example files, whole or in shards.

use std::{fmt, io, ops::Range, str::FromStr};

use anyhow::{Context, Error, Result, ensure};
use rayon::prelude::*;

use super::{
    Stream,
    csv::{HEADER, write_row},
};

/// One of the shards of a file, written `2/8`. Shards hold contiguous index ranges, and only the first has the header.
/// Their concatenation is therefore the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    count: u64,
}

impl Shard {
    /// Fails if this shard has none of `total` examples. An empty file would look like one that was lost.
    pub fn check(self, total: u64) -> Result<()> {
        ensure!(
            total == 0 || !self.indices(total).is_empty(),
            "part {self} has none of the {total} examples: make at most {total} parts"
        );
        Ok(())
    }

    /// The indices of this shard, of `total` examples.
    pub fn indices(self, total: u64) -> Range<u64> {
        let bound = |parts: u64| {
            let index = u128::from(total) * u128::from(parts) / u128::from(self.count);
            u64::try_from(index).unwrap_or(total)
        };
        bound(self.number - 1)..bound(self.number)
    }

    /// Whether this shard begins with the header.
    pub const fn is_first(self) -> bool {
        self.number == 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = InvalidShard;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text
            .split_once('/')
            .and_then(|(number, count)| Some((number.parse().ok()?, count.parse().ok()?)));
        match parsed {
            Some((number, count)) if 1 <= number && number <= count => Ok(Self { number, count }),
            _ => Err(InvalidShard(text.to_owned())),
        }
    }
}

/// The error of a text that is not a shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a shard: write its number and the number of shards, from 1/8 to 8/8")]
pub struct InvalidShard(String);

/// Writes the examples of an index range as CSV on `threads` threads (0: one per core). The file does not depend on
/// the number of threads.
///
/// `progress` receives the number of rows written since its last call.
pub fn generate(
    stream: &Stream,
    indices: Range<u64>,
    header: bool,
    threads: usize,
    mut output: impl io::Write,
    mut progress: impl FnMut(u64),
) -> Result<()> {
    /// Rows per parallel task.
    const CHUNK: u64 = 256;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .context("cannot start threads")?;
    if header {
        writeln!(output, "{}", HEADER.join(","))?;
    }
    // Several chunks per thread balance the load; a fixed number of chunks bounds the memory.
    let wave = CHUNK * 8 * pool.current_num_threads() as u64;
    let mut start = indices.start;
    while start < indices.end {
        let end = start.saturating_add(wave).min(indices.end);
        let chunks = (end - start).div_ceil(CHUNK);
        let texts: Vec<Result<Vec<u8>>> = pool.install(|| {
            (0..chunks)
                .into_par_iter()
                .map(|chunk| {
                    let from = start + chunk * CHUNK;
                    rows(stream, from..from.saturating_add(CHUNK).min(end))
                })
                .collect()
        });
        for text in texts {
            output.write_all(&text?)?;
        }
        progress(end - start);
        start = end;
    }
    output.flush()?;
    Ok(())
}

fn rows(stream: &Stream, indices: Range<u64>) -> Result<Vec<u8>> {
    let specification = stream.specification();
    let distribution = specification.distribution().to_string();
    let mut writer = csv::Writer::from_writer(Vec::new());
    for index in indices {
        let example = stream.example(index)?;
        // Rows that `verify` would refuse are not written.
        let sound = specification.problem().check(&example.operands, &example.solution);
        sound.map_err(Error::msg).with_context(|| {
            format!("example {index} of {distribution} loses too many digits: choose a magnitude that is nearer to 1")
        })?;
        write_row(&mut writer, index, specification.problem(), &distribution, &example)?;
    }
    writer.into_inner().context("cannot finish rows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::{Example, Reader, Specification},
        matrix::Split,
        problem,
    };

    fn stream(problem: &str, dimensions: &str) -> Stream {
        let problem = problem::named(problem).unwrap();
        let specification = Specification::new(problem, dimensions.parse().unwrap(), Default::default()).unwrap();
        Stream::new(specification, 4, Split::Test)
    }

    fn text(stream: &Stream, indices: Range<u64>, header: bool, threads: usize) -> String {
        let mut output = Vec::new();
        let mut written = 0;
        generate(stream, indices.clone(), header, threads, &mut output, |rows| {
            written += rows
        })
        .unwrap();
        assert_eq!(written, indices.end - indices.start);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let stream = stream("eigenvectors", "2-5");
        let alone = text(&stream, 0..3_000, true, 1);
        assert_eq!(alone.lines().count(), 3_001);
        assert!(alone == text(&stream, 0..3_000, true, 3));
    }

    #[test]
    fn shards_concatenate_to_the_whole() {
        let stream = stream("matrix-product", "2-3x1-4");
        let whole = text(&stream, 0..1_001, true, 2);
        for count in [1, 2, 7, 1_001, 1_500] {
            let parts: String = (1..=count)
                .map(|number| {
                    let shard: Shard = format!("{number}/{count}").parse().unwrap();
                    text(&stream, shard.indices(1_001), shard.is_first(), 1)
                })
                .collect();
            assert!(parts == whole, "{count} parts");
        }
    }

    #[test]
    fn files_of_every_problem_parse_to_the_same_bits() {
        for problem in problem::ALL {
            let stream = stream(problem.name(), "1-6");
            let file = text(&stream, 10..60, true, 1);
            let rows: Vec<_> = Reader::new(file.as_bytes()).unwrap().map(Result::unwrap).collect();
            assert_eq!(rows.len(), 50);
            for (row, index) in rows.iter().zip(10..) {
                assert_eq!(
                    (row.index, row.problem.name(), row.size),
                    (index, problem.name(), stream.size(index))
                );
                let example = stream.example(index).unwrap();
                let bits = |example: &Example| {
                    let all = example.operands.iter().chain(&example.solution).flatten();
                    all.map(|x| x.to_bits()).collect::<Vec<_>>()
                };
                assert_eq!(bits(&row.example), bits(&example), "{}", problem.name());
            }
        }
    }

    #[test]
    fn the_largest_indices_can_be_generated() {
        assert_eq!(
            text(&stream("add", "1"), u64::MAX - 3..u64::MAX, false, 1)
                .lines()
                .count(),
            3
        );
    }

    #[test]
    fn errors_say_how_to_write_shards() {
        for wrong in ["0/8", "9/8", "1", "1/0", "a/b", ""] {
            let message = wrong.parse::<Shard>().unwrap_err().to_string();
            assert_eq!(
                message,
                format!("`{wrong}` is not a shard: write its number and the number of shards, from 1/8 to 8/8")
            );
        }
    }
}
