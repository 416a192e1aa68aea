//! CSV files of examples.
//!
//! The header is `index,problem,distribution,operands,solution`. Operands and solution are JSON lists of matrices,
//! whose numbers parse to the same bits: `0,matrix-vector,uniform,"[[[1.5,2],[3,-4]],[[1],[2]]]","[[[5.5],[-5]]]"`.

use std::{fmt, io, str};

use csv::ByteRecord;

use super::Example;
use crate::{
    matrix::{Shape, text},
    problem::{self, Problem},
};

/// The columns, in order.
pub const HEADER: [&str; 5] = ["index", "problem", "distribution", "operands", "solution"];

/// A well-formed row. Its mathematics has not been checked.
#[derive(Clone, Debug)]
pub struct Row {
    /// The line of the row's first character, from 1.
    pub line: u64,
    pub index: u64,
    pub problem: &'static dyn Problem,
    pub size: Shape,
    /// The distribution as written in the file. It may be unknown to this program.
    pub distribution: String,
    pub example: Example,
}

/// An error in a file, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The line of the row's first character, from 1.
    pub line: u64,
    /// `None` if the row as a whole is malformed.
    pub column: Option<&'static str>,
    pub reason: String,
}

/// `line 3, column solution: eigenvalues are not in descending order (2 before 3.5)`
impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for BadRow {}

/// Appends one row.
pub fn write_row(
    writer: &mut csv::Writer<impl io::Write>,
    index: u64,
    problem: &dyn Problem,
    distribution: &str,
    example: &Example,
) -> csv::Result<()> {
    let (operands, solution) = (text::print_list(&example.operands), text::print_list(&example.solution));
    writer.write_record([&index.to_string(), problem.name(), distribution, &operands, &solution])
}

/// An iterator over the rows of a file. It continues after malformed rows.
pub struct Reader<R> {
    records: csv::Reader<LineFeeds<R>>,
    record: ByteRecord,
    /// A record that was read in search of the header.
    first: Option<ByteRecord>,
}

impl<R: io::Read> Reader<R> {
    /// Fails if the first line is not the header.
    pub fn new(input: R) -> Result<Self, BadRow> {
        let reader = Self::of_part(input)?;
        match &reader.first {
            None => Ok(reader),
            Some(record) => {
                let fields: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
                let found: String = fields.join(",").chars().take(100).collect();
                Err(wrong_start(&format!("is `{found}`")))
            }
        }
    }

    /// A reader of one part of a file. Only the first part begins with the header. Fails if the file is empty.
    pub fn of_part(input: R) -> Result<Self, BadRow> {
        let records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(LineFeeds { input, last: b'\n' });
        let mut reader = Self {
            records,
            record: ByteRecord::new(),
            first: None,
        };
        let Some(first) = reader.next_record().transpose()? else {
            return Err(wrong_start("the file is empty"));
        };
        let is_header = first.iter().eq(HEADER.map(str::as_bytes));
        reader.first = (!is_header).then_some(first);
        Ok(reader)
    }

    /// The next record, not yet parsed. `None` at the end, or after a read error.
    pub(super) fn next_record(&mut self) -> Option<Result<ByteRecord, BadRow>> {
        if let Some(record) = self.first.take() {
            return Some(Ok(record));
        }
        match self.records.read_byte_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let mut record = self.record.clone();
                // For a record after blank lines, the csv crate gives the line of the first blank one.
                if let Some(mut position) = record.position().cloned() {
                    let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
                    let begin = self.records.position().line().saturating_sub(1 + within);
                    position.set_line(begin.max(position.line()));
                    record.set_position(Some(position));
                }
                Some(Ok(record))
            }
            Err(error) => {
                let line = self.records.position().line();
                Some(Err(BadRow {
                    line,
                    column: None,
                    reason: format!("cannot be read: {error}"),
                }))
            }
        }
    }
}

impl<R: io::Read> Iterator for Reader<R> {
    type Item = Result<Row, BadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_record()
            .map(|record| record.and_then(|record| parse(&record)))
    }
}

impl<R: io::Read> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("position", self.records.position())
            .finish_non_exhaustive()
    }
}

fn wrong_start(found: &str) -> BadRow {
    BadRow {
        line: 1,
        column: None,
        reason: format!("the first line must be `{}`, but {found}", HEADER.join(",")),
    }
}

/// Parses a record and checks its shapes.
pub(super) fn parse(record: &ByteRecord) -> Result<Row, BadRow> {
    let line = record.position().map_or(0, csv::Position::line);
    let bad = |column, reason| BadRow { line, column, reason };
    if record.len() != HEADER.len() {
        let reason = format!(
            "the row has {} fields, but should have {}: {}",
            record.len(),
            HEADER.len(),
            HEADER.join(", ")
        );
        return Err(bad(None, reason));
    }
    let field = |i: usize| {
        str::from_utf8(&record[i]).map_err(|_| bad(Some(HEADER[i]), "the field is not text in UTF-8".to_owned()))
    };
    let index = field(0)?;
    let index = index.parse().map_err(|_| {
        bad(
            Some(HEADER[0]),
            format!("`{index}` is not an index: write a number from 0 on"),
        )
    })?;
    let problem = problem::named(field(1)?).map_err(|error| bad(Some(HEADER[1]), error.to_string()))?;
    let distribution = field(2)?.to_owned();
    let matrices = |i: usize| text::parse_list(field(i)?).map_err(|error| bad(Some(HEADER[i]), error.to_string()));
    let example = Example {
        operands: matrices(3)?,
        solution: matrices(4)?,
        clean: Vec::new(),
    };
    let shapes: Vec<Shape> = example.operands.iter().map(Shape::of).collect();
    let size = problem
        .size_of(&shapes)
        .map_err(|reason| bad(Some(HEADER[3]), reason))?;
    problem
        .check_shapes(size, &example.solution)
        .map_err(|reason| bad(Some(HEADER[4]), reason))?;
    Ok(Row {
        line,
        index,
        problem,
        size,
        distribution,
        example,
    })
}

/// Removes carriage returns, which no field contains, and ends the last line. Each record then ends with exactly one
/// line feed, so that its line number can be computed.
struct LineFeeds<R> {
    input: R,
    last: u8,
}

impl<R: io::Read> io::Read for LineFeeds<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.input.read(buffer)?;
            if read == 0 && self.last != b'\n' && !buffer.is_empty() {
                self.last = b'\n';
                buffer[0] = b'\n';
                return Ok(1);
            }
            let mut kept = 0;
            for i in 0..read {
                buffer[kept] = buffer[i];
                kept += usize::from(buffer[i] != b'\r');
            }
            if kept > 0 {
                self.last = buffer[kept - 1];
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"0,matrix-vector,uniform,"[[[1.5,2],[3,-4]],[[1],[2]]]","[[[5.5],[-5]]]""#;

    fn read(text: &str) -> Vec<Result<Row, BadRow>> {
        Reader::new(text.as_bytes()).unwrap().collect()
    }

    fn read_rows(rows: &str) -> Vec<Result<Row, BadRow>> {
        read(&format!("{}\n{rows}", HEADER.join(",")))
    }

    fn reason(row: &str) -> String {
        read_rows(row).remove(0).unwrap_err().to_string()
    }

    #[test]
    fn rows_have_the_documented_form_and_parse_to_the_same_values() {
        let rows = read_rows(ROW);
        let row = rows[0].as_ref().unwrap();
        assert_eq!(
            (row.line, row.index, row.problem.name(), row.size),
            (2, 0, "matrix-vector", Shape::new(2, 2))
        );
        let mut writer = csv::Writer::from_writer(Vec::new());
        write_row(&mut writer, row.index, row.problem, &row.distribution, &row.example).unwrap();
        assert_eq!(
            String::from_utf8(writer.into_inner().unwrap()).unwrap(),
            format!("{ROW}\n")
        );
    }

    #[test]
    fn line_numbers_are_right_with_all_line_ends_and_blank_lines() {
        for end in ["\n", "\r\n"] {
            let text = format!("{}{end}{ROW}{end}{end}{ROW}{end}bad{end}{ROW}", HEADER.join(","));
            let lines: Vec<u64> = read(&text)
                .into_iter()
                .map(|row| row.map_or_else(|bad| bad.line, |row| row.line))
                .collect();
            assert_eq!(lines, [2, 4, 5, 6], "{end:?}");
            let text = format!(
                "{}{end}0,\"a{end}{end}b\"{end}{ROW}{end}0,\"open{end}",
                HEADER.join(",")
            );
            let lines: Vec<u64> = read(&text)
                .into_iter()
                .map(|row| row.map_or_else(|bad| bad.line, |row| row.line))
                .collect();
            assert_eq!(lines, [2, 5, 6], "{end:?}");
        }
    }

    #[test]
    fn errors_name_line_column_and_reason() {
        let fields =
            "line 2: the row has 2 fields, but should have 5: index, problem, distribution, operands, solution";
        assert_eq!(reason("0,add"), fields);
        assert_eq!(
            reason(&ROW.replacen('0', "x", 1)),
            "line 2, column index: `x` is not an index: write a number from 0 on"
        );
        let unknown = reason(&ROW.replace("matrix-vector", "matrix-vectr"));
        assert!(
            unknown
                .starts_with("line 2, column problem: unknown problem `matrix-vectr`: did you mean `matrix-vector`?")
        );
        assert!(reason(&ROW.replace("-4", "four")).starts_with("line 2, column operands: at character 15: expected"));
        assert_eq!(
            reason(&ROW.replace("[[1],[2]]", "[[1,2]]")),
            "line 2, column operands: matrix-vector wants operands of shapes 2x2, 2x1; these are 2x2, 1x2"
        );
        assert_eq!(
            reason(&ROW.replace("[[5.5],[-5]]", "[[5.5]]")),
            "line 2, column solution: the solution has shapes 1x1, but should have 2x1"
        );
        assert!(reason(&ROW.replace("5.5", "1e999")).contains("number out of range"));
    }

    #[test]
    fn text_that_is_not_utf8_is_a_bad_row() {
        let mut bytes = format!("{}\n0,add,", HEADER.join(",")).into_bytes();
        bytes.extend(b"\xff,[],[]\n");
        let bad = Reader::new(bytes.as_slice()).unwrap().next().unwrap();
        assert!(bad.is_err());
        let mut bytes = format!("{}\n0,\u{0}", HEADER.join(",")).into_bytes();
        bytes.extend(b"\xff,uniform,[],[]\n");
        let bad = Reader::new(bytes.as_slice()).unwrap().next().unwrap().unwrap_err();
        assert_eq!(
            bad.to_string(),
            "line 2, column problem: the field is not text in UTF-8"
        );
    }

    #[test]
    fn another_header_is_refused() {
        let message = |text: &str| Reader::new(text.as_bytes()).unwrap_err().to_string();
        assert!(message("").ends_with("but the file is empty"));
        assert_eq!(
            message("a,b\n"),
            "line 1: the first line must be `index,problem,distribution,operands,solution`, but is `a,b`"
        );
        assert!(
            Reader::new(format!("\u{feff}{}", HEADER.join(",")).as_bytes()).is_ok(),
            "a byte order mark"
        );
    }
}
