//! Tables: aligned for the terminal, as Markdown, as CSV.

use anyhow::Result;
use std::fmt;

/// Rows of text under headers. Columns whose cells are all numbers are aligned to the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Between two columns in the terminal.
const GAP: &str = "  ";
/// What units look like after a number: `98.5 %`, `1.2k`, `3.4 ms`.
const UNIT_LENGTH: usize = 3;

impl Table {
    pub fn new(headers: &[&str]) -> Self {
        Self {
            headers: headers.iter().map(|header| header.to_string()).collect(),
            rows: Vec::new(),
        }
    }

    /// Appends a row. Missing cells are empty; cells beyond the headers get columns of their own.
    pub fn row(&mut self, cells: Vec<String>) {
        let columns = self.headers.len().max(cells.len());
        self.headers.resize(columns, String::new());
        self.rows.push(cells);
    }

    /// A table in GitHub's Markdown, without a line end after the last row.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells = self.columns().map(|column| escaped(cell(cells, column)));
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        let marks = self
            .columns()
            .map(|column| if self.is_numeric(column) { "---:" } else { "---" });
        let marks = format!("| {} |", marks.collect::<Vec<_>>().join(" | "));
        let lines = [line(&self.headers), marks]
            .into_iter()
            .chain(self.rows.iter().map(|row| line(row)));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The same cells as CSV, headers first.
    pub fn csv(&self) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in std::iter::once(&self.headers).chain(&self.rows) {
            writer.write_record(self.columns().map(|column| cell(row, column)))?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    fn columns(&self) -> std::ops::Range<usize> {
        0..self.headers.len()
    }

    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self
            .rows
            .iter()
            .map(|row| cell(row, column))
            .filter(|cell| !is_blank(cell))
            .peekable();
        cells.peek().is_some() && cells.all(is_number)
    }
}

/// Aligned columns with a rule under the headers, without a line end after the last row.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column| {
            let cells = std::iter::once(&self.headers)
                .chain(&self.rows)
                .map(|row| cell(row, column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let layout: Vec<(usize, bool)> = self
            .columns()
            .map(|column| (width(column), self.is_numeric(column)))
            .collect();
        let line = |cells: &[String]| {
            let aligned = layout
                .iter()
                .enumerate()
                .map(|(column, &(width, is_numeric))| match cell(cells, column) {
                    cell if is_numeric => format!("{cell:>width$}"),
                    cell => format!("{cell:<width$}"),
                });
            aligned.collect::<Vec<_>>().join(GAP).trim_end().to_string()
        };
        let rule: Vec<_> = layout.iter().map(|&(width, _)| "─".repeat(width)).collect();
        write!(f, "{}\n{}", line(&self.headers), rule.join(GAP))?;
        self.rows.iter().try_for_each(|row| write!(f, "\n{}", line(row)))
    }
}

fn cell(cells: &[String], column: usize) -> &str {
    cells.get(column).map_or("", String::as_str)
}

fn is_blank(cell: &str) -> bool {
    cell.is_empty() || cell == "-"
}

/// A number, alone or with a short unit.
fn is_number(cell: &str) -> bool {
    let end = cell
        .find(|c: char| !(c.is_ascii_digit() || "+-.,".contains(c)))
        .unwrap_or(cell.len());
    let (number, unit) = (cell[..end].replace(',', ""), cell[end..].trim());
    let is_unit = unit.chars().count() <= UNIT_LENGTH && !unit.contains(|c: char| c.is_ascii_digit());
    cell.parse::<f64>().is_ok() || (is_unit && number.parse::<f64>().is_ok())
}

/// Text that does not end a cell of Markdown.
fn escaped(cell: &str) -> String {
    cell.replace('\\', "\\\\").replace('|', "\\|").replace('\n', " ")
}

/// A share as a percentage, in as many digits as it has: `0.5`.
pub fn percent(share: f64) -> String {
    // 0.005 * 100 is 0.5 but for the last bits.
    format!("{:.6}", 100.0 * share)
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["within", "right", "note"]);
        table.row(vec!["5 %".into(), "100.00 %".into(), "a|b".into()]);
        table.row(vec!["0.5 %".into(), "60.40 %".into(), "größer, \"c\"".into()]);
        table
    }

    #[test]
    fn numbers_are_aligned_to_the_right_and_text_to_the_left() {
        let wanted = "\
within     right  note
──────  ────────  ───────────
   5 %  100.00 %  a|b
 0.5 %   60.40 %  größer, \"c\"";
        assert_eq!(table().to_string(), wanted);
    }

    #[test]
    fn markdown_escapes_what_would_end_a_cell() {
        let wanted = "\
| within | right | note |
| ---: | ---: | --- |
| 5 % | 100.00 % | a\\|b |
| 0.5 % | 60.40 % | größer, \"c\" |";
        assert_eq!(table().markdown(), wanted);
    }

    #[test]
    fn csv_quotes_what_csv_must_quote() {
        let wanted = "within,right,note\n5 %,100.00 %,a|b\n0.5 %,60.40 %,\"größer, \"\"c\"\"\"\n";
        assert_eq!(table().csv().unwrap(), wanted);
    }

    #[test]
    fn rows_may_be_shorter_or_longer_than_the_headers() {
        let mut table = Table::new(&["a", "b"]);
        table.row(vec!["x".into()]);
        table.row(vec!["x".into(), "y".into(), "z".into()]);
        assert_eq!(table.to_string(), "a  b\n─  ─  ─\nx\nx  y  z");
        assert_eq!(table.csv().unwrap(), "a,b,\nx,,\nx,y,z\n");
    }

    #[test]
    fn an_empty_table_is_its_headers() {
        assert_eq!(Table::new(&["run", "step"]).to_string(), "run  step\n───  ────");
    }

    #[test]
    fn numbers_are_told_from_text() {
        for cell in ["5", "-1.5", "1e-3", "98.5 %", "1,000", "3.4 ms", "2.11"] {
            assert!(is_number(cell), "{cell}");
        }
        for cell in [
            "",
            "x",
            "P1000",
            "3x3",
            "5-15",
            "2024-01-31",
            "12 of 40",
            "-",
            "100/200",
            "2.11.0 with CUDA",
        ] {
            assert!(!is_number(cell), "{cell}");
        }
    }
}
