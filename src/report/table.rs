//! Tables: aligned for the terminal, as Markdown, as CSV.

use anyhow::Result;
use comfy_table::{CellAlignment, ContentLineStyle, LineStyle, TableStyle, presets::ASCII_MARKDOWN};
use std::fmt;

/// Rows of text below headers. Columns of numbers are aligned to the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Spaces between columns, and a rule below each header.
const RULE_UNDER_HEADERS: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction(' '))
    .header_separator(LineStyle::none().fill('─').junction(' '))
    .content_lines(ContentLineStyle::none().junction(' '));

impl Table {
    pub fn new(headers: impl IntoIterator<Item: ToString>) -> Self {
        Self {
            headers: headers.into_iter().map(|header| header.to_string()).collect(),
            rows: Vec::new(),
        }
    }

    /// Appends a row. Missing cells are empty; extra cells get columns without header.
    pub fn row(&mut self, cells: Vec<String>) {
        let columns = self.headers.len().max(cells.len());
        self.headers.resize(columns, String::new());
        self.rows.push(cells);
    }

    /// The table in GitHub's Markdown, without a newline at its end.
    pub fn markdown(&self) -> String {
        let escape = |cell: &str| cell.replace('\\', "\\\\").replace('|', "\\|").replace('\n', " ");
        self.drawn(ASCII_MARKDOWN, escape).trim_fmt()
    }

    /// The table as CSV, headers first.
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

    fn drawn(&self, style: TableStyle, shown: impl Fn(&str) -> String) -> comfy_table::Table {
        let line = |row: &Vec<String>| {
            self.columns()
                .map(|column| shown(cell(row, column)))
                .collect::<Vec<_>>()
        };
        let mut table = comfy_table::Table::new();
        table.load_style(style).set_header(line(&self.headers));
        table.add_rows(self.rows.iter().map(line));
        for (index, column) in table.column_iter_mut().enumerate() {
            let mut cells = self.rows.iter().map(|row| cell(row, index));
            if cells.all(|cell| is_number(cell) || ["", "-"].contains(&cell)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

/// Aligned columns with a rule below the headers, without a newline at the end.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = self.drawn(RULE_UNDER_HEADERS, str::to_owned);
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
        f.write_str(&table.trim_fmt())
    }
}

fn cell(cells: &[String], column: usize) -> &str {
    cells.get(column).map_or("", String::as_str)
}

/// Whether a cell is a number, alone or with a unit: `98.5 %`, `1.2k`, `3.4 ms`.
fn is_number(cell: &str) -> bool {
    let number = cell.split(' ').next().unwrap_or_default();
    number.trim_end_matches(char::is_alphabetic).parse::<f64>().is_ok()
}

/// A fraction as a percentage with as many digits as needed: `0.5`.
pub fn percent(share: f64) -> String {
    // Rounding hides that 0.005 * 100 differs from 0.5 in the last bits.
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
─────── ───────── ────────────
   5 %  100.00 %  a|b
 0.5 %   60.40 %  größer, \"c\"";
        assert_eq!(table().to_string(), wanted);
    }

    #[test]
    fn markdown_escapes_what_would_end_a_cell() {
        let wanted = "\
| within |    right | note        |
|--------|----------|-------------|
|    5 % | 100.00 % | a\\|b        |
|  0.5 % |  60.40 % | größer, \"c\" |";
        assert_eq!(table().markdown(), wanted);
    }

    #[test]
    fn csv_quotes_special_cells() {
        let wanted = "within,right,note\n5 %,100.00 %,a|b\n0.5 %,60.40 %,\"größer, \"\"c\"\"\"\n";
        assert_eq!(table().csv().unwrap(), wanted);
    }

    #[test]
    fn rows_may_be_shorter_or_longer_than_the_headers() {
        let mut table = Table::new(&["a", "b"]);
        table.row(vec!["x".into()]);
        table.row(vec!["x".into(), "y".into(), "z".into()]);
        assert_eq!(table.csv().unwrap(), "a,b,\nx,,\nx,y,z\n");
        assert_eq!(table.to_string().lines().count(), 4);
    }
}
