//! [`Table`]: rows and named columns of text, each column with its dictionary.

use std::borrow::Cow;
use std::collections::HashMap;

use ring::digest::{SHA256, digest};

use crate::csv::{CsvError, Reader, write_record};

/// Why a text is not a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Not comma-separated values.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// No header, or no rows under it.
    #[error("the table is empty; the first line names the columns, each further line is one row")]
    Empty,
    /// A column without a name.
    #[error("column {0} has no name in the first line")]
    Nameless(usize),
    /// Two columns of one name.
    #[error("two columns are named “{0}”; rename one")]
    Twice(String),
    /// A row has more or fewer fields than the header.
    #[error("line {line}: {found} fields, but the first line names {expected} columns")]
    Fields {
        /// Counted from 1.
        line: usize,
        /// In this row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// More rows than numbers for them.
    #[error("the table has more rows than can be numbered (4,294,967,295)")]
    TooLong,
}

/// One column: its distinct values in the order of their first appearance, and for each row which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    name: String,
    values: Vec<String>,
    codes: Vec<u32>,
}

impl Column {
    /// From the text of each row.
    pub fn new<'a>(name: impl Into<String>, rows: impl IntoIterator<Item = &'a str>) -> Self {
        let mut builder = Builder::default();
        rows.into_iter().for_each(|r| builder.push(Cow::Borrowed(r)));
        builder.column(name.into())
    }

    /// Its name in the header.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The distinct values.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// For each row the place of its value in [`Column::values`].
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The text of a row; empty when there is no such row.
    pub fn text(&self, row: usize) -> &str {
        self.codes.get(row).map_or("", |c| &self.values[*c as usize])
    }

    /// How many rows have each of the values.
    pub fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.values.len()];
        self.codes.iter().for_each(|c| counts[*c as usize] += 1);
        counts
    }

    /// The same rows with every value replaced by `f` of it.
    pub(crate) fn map(&self, f: impl Fn(&str) -> String) -> Column {
        let mapped: Vec<String> = self.values.iter().map(|v| f(v)).collect();
        Column::new(self.name.clone(), self.codes.iter().map(|c| mapped[*c as usize].as_str()))
    }

    /// From codes into labels that differ from each other; labels that no row has are left out.
    pub(crate) fn pick(name: &str, labels: &[String], rows: impl Iterator<Item = u32>) -> Column {
        let mut place = vec![u32::MAX; labels.len()];
        let (mut values, mut codes) = (Vec::new(), Vec::new());
        for label in rows {
            let place = &mut place[label as usize];
            if *place == u32::MAX {
                *place = values.len() as u32;
                values.push(labels[label as usize].clone());
            }
            codes.push(*place);
        }
        Column { name: name.to_owned(), values, codes }
    }

    /// The row (counted from 1, without the header) that first has the value of this code.
    pub(crate) fn first_row(&self, code: usize) -> usize {
        self.codes.iter().position(|c| *c as usize == code).map_or(0, |r| r + 1)
    }
}

#[derive(Default)]
struct Builder<'a> {
    index: HashMap<Cow<'a, str>, u32>,
    values: Vec<String>,
    codes: Vec<u32>,
}

impl<'a> Builder<'a> {
    fn push(&mut self, text: Cow<'a, str>) {
        let code = match self.index.get(&text) {
            Some(code) => *code,
            None => {
                // There are at most as many values as rows, and those are counted in 32 bits.
                let code = self.values.len() as u32;
                self.values.push(text.clone().into_owned());
                self.index.insert(text, code);
                code
            }
        };
        self.codes.push(code);
    }

    fn column(self, name: String) -> Column {
        Column { name, values: self.values, codes: self.codes }
    }
}

/// A table. It has at least one row and one column, and every column has a value in every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
    /// SHA-256 of the bytes it was read from.
    read_from: Option<String>,
}

impl Table {
    /// From columns of equal length with different names.
    pub fn new(columns: Vec<Column>) -> Result<Self, TableError> {
        let rows = columns.first().map_or(0, |c| c.codes.len());
        if rows == 0 {
            return Err(TableError::Empty);
        }
        if rows > u32::MAX as usize {
            return Err(TableError::TooLong);
        }
        for (i, c) in columns.iter().enumerate() {
            if c.name.trim().is_empty() {
                return Err(TableError::Nameless(i + 1));
            }
            if columns[..i].iter().any(|d| d.name == c.name) {
                return Err(TableError::Twice(c.name.clone()));
            }
            if c.codes.len() != rows {
                return Err(TableError::Fields { line: 1, found: c.codes.len(), expected: rows });
            }
        }
        Ok(Table { columns, rows, read_from: None })
    }

    /// Reads comma-separated values in UTF-8 whose first record is the header.
    pub fn read(bytes: &[u8]) -> Result<Self, TableError> {
        let mut reader = Reader::new(bytes)?;
        let mut fields = Vec::new();
        reader.read(&mut fields)?;
        let names: Vec<String> = fields.iter().map(|f| f.clone().into_owned()).collect();
        let mut builders: Vec<Builder<'_>> = names.iter().map(|_| Builder::default()).collect();
        while reader.read(&mut fields)? {
            if fields.len() != names.len() {
                let line = reader.line();
                return Err(TableError::Fields { line, found: fields.len(), expected: names.len() });
            }
            for (builder, field) in builders.iter_mut().zip(fields.drain(..)) {
                builder.push(field);
            }
        }
        let columns = builders.into_iter().zip(names).map(|(b, name)| b.column(name)).collect();
        let mut table = Table::new(columns)?;
        table.read_from = Some(sha256(bytes));
        Ok(table)
    }

    /// As comma-separated values: the header, then each row.
    pub fn write(&self) -> String {
        let mut out = String::new();
        write_record(&mut out, self.columns.iter().map(Column::name));
        for row in 0..self.rows {
            write_record(&mut out, self.columns.iter().map(|c| c.text(row)));
        }
        out
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// All columns in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// SHA-256 in hexadecimal: of the very bytes it was read from, else of [`Table::write`].
    pub fn sha256(&self) -> String {
        self.read_from.clone().unwrap_or_else(|| sha256(self.write().as_bytes()))
    }
}

/// SHA-256 (FIPS 180-4) in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_and_written() {
        let text = "年齢,市町\r\n34,能美市\r\n35,能美市\r\n";
        let t = Table::read(text.as_bytes()).unwrap();
        assert_eq!((t.rows(), t.columns().len()), (2, 2));
        assert_eq!(t.column("市町").unwrap().values(), ["能美市"]);
        assert_eq!(t.column("市町").unwrap().counts(), [2]);
        assert_eq!(t.column("年齢").unwrap().text(1), "35");
        assert_eq!(t.write(), text);
        assert_eq!(t.sha256(), sha256(text.as_bytes()));
        // FIPS 180-4's example.
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let read = |t: &str| Table::read(t.as_bytes()).unwrap_err();
        assert_eq!(read(""), TableError::Empty);
        assert_eq!(read("a,b\n"), TableError::Empty);
        assert_eq!(read("a,\n1,2\n"), TableError::Nameless(2));
        assert_eq!(read("a,a\n1,2\n"), TableError::Twice("a".to_owned()));
        assert_eq!(read("a,b\n1,2\n\n3\n"), TableError::Fields { line: 4, found: 1, expected: 2 });
        assert!(Table::read(b"a,b\n1,2\n").is_ok());
    }
}
