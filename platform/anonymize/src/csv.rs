//! Comma-separated values as RFC 4180 has them: the one reader and writer of tables here.
//!
//! Reading also takes bare line feeds and a byte order mark, because spreadsheets write both; a line with nothing
//! on it is no record. Writing ends lines with CRLF (§2.1) and quotes only what must be quoted (§2.6).

use std::borrow::Cow;

/// Why a text is not comma-separated values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// The bytes are not UTF-8.
    #[error("the file is not UTF-8; save it as “CSV UTF-8”")]
    NotUtf8,
    /// A quoted field does not end.
    #[error("line {0}: a quoted field begins here and never ends; double a quote that belongs to the text")]
    Unclosed(usize),
    /// Something follows the closing quote of a field.
    #[error("line {0}: after a closing quote a comma or the end of the line must follow")]
    AfterQuote(usize),
    /// A quote stands inside a field that was not quoted.
    #[error("line {0}: a quote stands inside a field; quote the whole field and double the quote")]
    StrayQuote(usize),
}

/// Records of a text, one after the other.
pub struct Reader<'a> {
    rest: &'a str,
    /// Where reading is.
    at: usize,
    /// Where the record read last begins.
    line: usize,
}

impl<'a> Reader<'a> {
    /// From bytes that must be UTF-8; a byte order mark is passed over.
    pub fn new(bytes: &'a [u8]) -> Result<Self, CsvError> {
        let text = std::str::from_utf8(bytes).map_err(|_| CsvError::NotUtf8)?;
        Ok(Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), at: 1, line: 1 })
    }

    /// The line that the record read last begins on, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Reads the next record into `fields`; `false` at the end.
    pub fn read(&mut self, fields: &mut Vec<Cow<'a, str>>) -> Result<bool, CsvError> {
        fields.clear();
        while let Some(rest) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
            self.rest = rest;
            self.at += 1;
        }
        self.line = self.at;
        if self.rest.is_empty() {
            return Ok(false);
        }
        loop {
            let field = if self.rest.starts_with('"') { self.quoted()? } else { self.plain()? };
            fields.push(field);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            if let Some(rest) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
                self.rest = rest;
                self.at += 1;
            }
            return Ok(true);
        }
    }

    fn plain(&mut self) -> Result<Cow<'a, str>, CsvError> {
        let end = self.rest.bytes().position(|b| matches!(b, b',' | b'\n')).unwrap_or(self.rest.len());
        let mut field = &self.rest[..end];
        if self.rest.as_bytes().get(end) == Some(&b'\n')
            && let Some(shorter) = field.strip_suffix('\r')
        {
            field = shorter;
        }
        if field.contains('"') {
            return Err(CsvError::StrayQuote(self.at));
        }
        self.rest = &self.rest[end..];
        Ok(Cow::Borrowed(field))
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, CsvError> {
        let begun = self.at;
        let body = &self.rest[1..];
        let mut from = 0;
        let mut text = Cow::Borrowed("");
        loop {
            let Some(at) = body[from..].find('"') else { return Err(CsvError::Unclosed(begun)) };
            let piece = &body[from..from + at];
            self.at += piece.bytes().filter(|b| *b == b'\n').count();
            if text.is_empty() {
                text = Cow::Borrowed(piece);
            } else {
                text.to_mut().push_str(piece);
            }
            from += at + 1;
            if body[from..].starts_with('"') {
                text.to_mut().push('"');
                from += 1;
                continue;
            }
            self.rest = &body[from..];
            let goes_on = self.rest.is_empty()
                || self.rest.starts_with(',')
                || self.rest.starts_with('\n')
                || self.rest.starts_with("\r\n");
            return if goes_on { Ok(text) } else { Err(CsvError::AfterQuote(self.at)) };
        }
    }
}

/// Appends one record to `out`.
pub fn write_record<'a>(out: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    let begin = out.len();
    for (i, field) in fields.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(field);
        }
    }
    if out.len() == begin {
        // One empty field: a line with nothing on it would be no record.
        out.push_str("\"\"");
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Result<Vec<Vec<String>>, CsvError> {
        let mut reader = Reader::new(text.as_bytes())?;
        let mut rows = Vec::new();
        let mut fields = Vec::new();
        while reader.read(&mut fields)? {
            rows.push(fields.iter().map(|f| f.clone().into_owned()).collect());
        }
        Ok(rows)
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let abc = vec![vec!["aaa".to_owned(), "bbb".into(), "ccc".into()]];
        assert_eq!(all("aaa,bbb,ccc\r\n"), Ok(abc.clone()));
        assert_eq!(all("aaa,bbb,ccc"), Ok(abc.clone()), "§2.2: the last line may lack its end");
        assert_eq!(all("\u{feff}\"aaa\",\"bbb\",\"ccc\"\n\n"), Ok(abc));
        assert_eq!(all("\"aaa\",\"b\r\nbb\",\"ccc\"").unwrap()[0][1], "b\r\nbb", "§2.6");
        assert_eq!(all("\"aaa\",\"b\"\"bb\",\"ccc\"").unwrap()[0][1], "b\"bb", "§2.7");
        assert_eq!(all("a,\r\n").unwrap()[0], ["a", ""]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(all("a\n\"b"), Err(CsvError::Unclosed(2)));
        assert_eq!(all("a\n\"b\"c"), Err(CsvError::AfterQuote(2)));
        assert_eq!(all("a\nb\"c"), Err(CsvError::StrayQuote(2)));
        assert!(matches!(Reader::new(&[0x83, 0x65]), Err(CsvError::NotUtf8)), "テ in CP932");
        assert_eq!(all("a\n\"b\"").unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(rows in prop::collection::vec(
            prop::collection::vec("[a,\"\r\n 年]{0,4}", 1..4), 0..6)) {
            let mut text = String::new();
            for row in &rows {
                write_record(&mut text, row.iter().map(String::as_str));
            }
            prop_assert_eq!(all(&text).unwrap(), rows);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a,\"\r\n]{0,20}") {
            let _ = all(&text);
        }
    }
}
