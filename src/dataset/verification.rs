//! Verification of example files: each row is checked against the mathematics.

use std::{collections::BTreeMap, fmt, io, ops::AddAssign};

use anyhow::{Context, Result};
use csv::ByteRecord;
use rayon::prelude::*;

use super::csv::{BadRow, Reader, parse};
use crate::matrix::Shape;

/// Counts of a file's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of rows, without the header.
    pub rows: u64,
    pub bad: u64,
    /// The number of correct rows of each problem and size.
    pub groups: BTreeMap<(&'static str, Shape), u64>,
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.bad += other.bad;
        for (group, rows) in other.groups {
            *self.groups.entry(group).or_default() += rows;
        }
    }
}

/// `1000 rows, all right: eigenvalues (5x5: 600, 6x6: 400)`
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} row{}, ", self.rows, if self.rows == 1 { "" } else { "s" })?;
        match self.bad {
            0 if self.rows == 0 => write!(f, "only a header")?,
            0 => write!(f, "all right")?,
            bad => write!(f, "{bad} wrong")?,
        }
        let mut last = None;
        for ((problem, size), rows) in &self.groups {
            if last == Some(problem) {
                write!(f, ", {size}: {rows}")?;
            } else {
                let before = if last.is_some() { "), " } else { ": " };
                write!(f, "{before}{problem} ({size}: {rows}")?;
            }
            last = Some(problem);
        }
        if last.is_some() { write!(f, ")") } else { Ok(()) }
    }
}

/// Checks each row on `threads` threads (0: one per core) in bounded memory. `report` receives the bad rows in their
/// order.
///
/// A wrong header counts as a bad row and ends the check. An error of `report` also ends it. Fails if threads cannot be
/// started, or with the error of `report`.
pub fn verify(input: impl io::Read, threads: usize, report: impl FnMut(BadRow) -> Result<()>) -> Result<Summary> {
    verify_rows(Reader::new(input), threads, report)
}

/// Like [`verify`], for a part of a file: the header may be missing.
pub fn verify_part(input: impl io::Read, threads: usize, report: impl FnMut(BadRow) -> Result<()>) -> Result<Summary> {
    verify_rows(Reader::of_part(input), threads, report)
}

fn verify_rows<R: io::Read>(
    reader: Result<Reader<R>, BadRow>,
    threads: usize,
    mut report: impl FnMut(BadRow) -> Result<()>,
) -> Result<Summary> {
    const BATCH: usize = 4096;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .context("cannot start threads")?;
    let mut summary = Summary::default();
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(bad) => {
            summary.bad += 1;
            report(bad)?;
            return Ok(summary);
        }
    };
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH
            && let Some(record) = reader.next_record()
        {
            batch.push(record);
        }
        if batch.is_empty() {
            return Ok(summary);
        }
        let verdicts: Vec<_> = pool.install(|| {
            batch
                .into_par_iter()
                .map(|record| record.and_then(|record| check(&record)))
                .collect()
        });
        for verdict in verdicts {
            summary.rows += 1;
            match verdict {
                Ok(group) => *summary.groups.entry(group).or_default() += 1,
                Err(bad) => {
                    summary.bad += 1;
                    report(bad)?;
                }
            }
        }
    }
}

/// The problem and size of a row, if it is correct.
fn check(record: &ByteRecord) -> Result<(&'static str, Shape), BadRow> {
    let row = parse(record)?;
    let bad = |column| {
        move |reason| BadRow {
            line: row.line,
            column: Some(column),
            reason,
        }
    };
    row.problem
        .check_operands(&row.example.operands)
        .map_err(bad("operands"))?;
    row.problem
        .check(&row.example.operands, &row.example.solution)
        .map_err(bad("solution"))?;
    Ok((row.problem.name(), row.size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::{HEADER, Specification, Stream, generate},
        matrix::Split,
        problem,
    };

    fn verdict(file: &str) -> (Summary, Vec<String>) {
        let mut bad = Vec::new();
        let report = |row: BadRow| {
            bad.push(row.to_string());
            Ok(())
        };
        let summary = verify(file.as_bytes(), 2, report).unwrap();
        (summary, bad)
    }

    fn rows(rows: &[&str]) -> (Summary, Vec<String>) {
        verdict(&format!("{}\n{}\n", HEADER.join(","), rows.join("\n")))
    }

    #[test]
    fn generated_files_are_right() {
        for problem in problem::ALL {
            let specification = Specification::new(*problem, "1-7".parse().unwrap(), Default::default()).unwrap();
            let mut file = Vec::new();
            generate(
                &Stream::new(specification, 1, Split::Train),
                0..300,
                true,
                2,
                &mut file,
                |_| (),
            )
            .unwrap();
            let (summary, bad) = verdict(str::from_utf8(&file).unwrap());
            assert_eq!((summary.rows, summary.bad, bad), (300, 0, vec![]), "{}", problem.name());
            assert_eq!(summary.groups.values().sum::<u64>(), 300);
            assert!(summary.groups.keys().all(|(name, _)| *name == problem.name()));
            assert_eq!(summary.groups.len(), 7);
        }
    }

    #[test]
    fn files_with_other_signs_digits_and_blanks_are_right() {
        let (summary, bad) = rows(&[
            r#"7,eigenvectors,mine,"[[[2.0, 1.0], [1.0, 2.0]]]","[[[3.0], [1.0]], [[-0.70710678, 0.70710678], [-0.70710678, -0.70710678]]]""#,
            r#"3,svd,"my, own","[[[0,-3],[4,0]]]","[[[0,-1],[-1,0]],[[4],[3]],[[-1,0],[0,1]]]""#,
            r#"9,eigenvalues,uniform,"[[[1,1,1,1,1],[1,1,1,1,1],[1,1,1,1,1],[1,1,1,1,1],[1,1,1,1,1]]]","[[[5],[0],[0],[0],[0]]]""#,
            r#"9,singular-values,uniform,"[[[1,1,1,1,1],[1,1,1,1,1],[1,1,1,1,1]]]","[[[3.8729833],[0],[0]]]""#,
        ]);
        assert_eq!(bad, Vec::<String>::new());
        assert_eq!(summary.rows, 4);
        assert_eq!(
            summary.to_string(),
            "4 rows, all right: eigenvalues (5x5: 1), eigenvectors (2x2: 1), singular-values (3x5: 1), svd (2x2: 1)"
        );
    }

    #[test]
    fn every_kind_of_corruption_is_found_and_the_rows_around_it_are_right() {
        let right = r#"0,eigenvalues,uniform,"[[[2,1],[1,2]]]","[[[3],[1]]]""#;
        let cases = [
            (
                right.replace("[[3],[1]]", "[[1],[3]]"),
                "column solution: eigenvalues are not in descending order (1 before 3)",
            ),
            (
                right.replace("[[3],[1]]", "[[3],[1.01]]"),
                "column solution: entry (2, 1) of the eigenvalues is 1.01, but",
            ),
            (
                right.replace("[[2,1],[1,2]]", "[[2,1],[0,2]]"),
                "column operands: the operand must be symmetric",
            ),
            (
                right.replace("[[2,1],[1,2]]", "[[2,1,3],[1,2,3]]"),
                "column operands: eigenvalues wants a square matrix",
            ),
            (
                right.replace("[[3],[1]]", "[[3]]"),
                "column solution: the solution has shapes 1x1, but should have 2x1",
            ),
            (
                right.replace("[[3],[1]]", "[[3],[NaN]]"),
                "column solution: at character 8: expected value",
            ),
            (
                right.replace("[[3],[1]]", "[[3],[1]"),
                "column solution: at character 10: EOF while parsing a list",
            ),
            (
                right.replace("eigenvalues", "eigen"),
                "column problem: unknown problem `eigen`",
            ),
            (right.replace("0,", ""), ": the row has 4 fields, but should have 5"),
            (right.replacen('0', "-1", 1), "column index: `-1` is not an index"),
        ];
        for (corrupt, reason) in cases {
            let (summary, bad) = rows(&[right, &corrupt, right]);
            assert_eq!((summary.rows, summary.bad, bad.len()), (3, 1, 1), "{corrupt}");
            assert!(bad[0].starts_with("line 3") && bad[0].contains(reason), "{}", bad[0]);
        }
    }

    #[test]
    fn bad_rows_are_reported_in_order_over_many_batches() {
        let right = r#"0,add,uniform,"[[[1]],[[2]]]","[[[3]]]""#;
        let all: Vec<String> = (0..10_000)
            .map(|i| right.replace("[[[3]]]", if i % 997 == 5 { "[[[4]]]" } else { "[[[3]]]" }))
            .collect();
        let (summary, bad) = rows(&all.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((summary.rows, summary.bad), (10_000, 11));
        let lines: Vec<String> = (0..11).map(|i| format!("line {}, ", i * 997 + 7)).collect();
        assert!(
            bad.iter().zip(&lines).all(|(bad, line)| bad.starts_with(line.as_str())),
            "{bad:?}"
        );
        assert!(summary.to_string().starts_with("10000 rows, 11 wrong: add (1x1: 9989)"));
    }

    #[test]
    fn a_wrong_header_ends_the_check() {
        let (summary, bad) = verdict("a,b\n1,2\n");
        assert_eq!((summary.rows, summary.bad), (0, 1));
        assert!(
            bad[0].starts_with("line 1: the first line must be `index,problem"),
            "{}",
            bad[0]
        );
    }
}
