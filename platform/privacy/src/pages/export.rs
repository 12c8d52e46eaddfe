//! A table as a file: CSV in UTF-8 with a byte order mark, as spreadsheets in Japan expect it, or JSON.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use kenroku_anonymize::csv::write_record;
use kenroku_types::Problem;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Which form is asked for; the page when none is.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct As {
    #[serde(default, rename = "as")]
    form: String,
}

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Csv,
    Json,
}

impl As {
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.form.as_str() {
            "csv" => Some(Kind::Csv),
            "json" => Some(Kind::Json),
            _ => None,
        }
    }
}

/// A table.
pub(crate) struct Export<'a> {
    name: &'a str,
    head: &'a [&'a str],
    rows: Vec<Value>,
}

impl<'a> Export<'a> {
    /// Each row is an array with one value a column.
    pub(crate) fn new(name: &'a str, head: &'a [&'a str], rows: Vec<Value>) -> Self {
        Export { name, head, rows }
    }

    /// A spreadsheet takes a cell that begins so for a formula (OWASP, CSV Injection): it gets an apostrophe.
    fn cell(v: &Value) -> String {
        let text = match v {
            Value::Null => String::new(),
            Value::String(s) => s.clone(),
            other => other.to_string(),
        };
        match v.is_string() && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => format!("'{text}"),
            false => text,
        }
    }

    fn csv(&self) -> String {
        let mut out = String::from('\u{feff}');
        write_record(&mut out, self.head.iter().copied());
        for row in &self.rows {
            let cells: Vec<String> = row.as_array().into_iter().flatten().map(Export::cell).collect();
            write_record(&mut out, cells.iter().map(String::as_str));
        }
        out
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        let objects: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let values = row.as_array().into_iter().flatten();
                let pairs = self.head.iter().zip(values).map(|(h, v)| ((*h).to_owned(), v.clone()));
                Value::Object(pairs.collect::<Map<_, _>>())
            })
            .collect();
        serde_json::to_string_pretty(&objects)
    }

    /// The file.
    pub(crate) fn respond(&self, kind: Kind) -> Response {
        let (body, media, end) = match kind {
            Kind::Csv => (Ok(self.csv()), "text/csv; charset=utf-8", "csv"),
            Kind::Json => (self.json(), "application/json", "json"),
        };
        let name = format!("attachment; filename=\"{}.{end}\"", self.name);
        match (body, HeaderValue::from_str(&name)) {
            (Ok(body), Ok(name)) => (
                [
                    (header::CONTENT_TYPE, HeaderValue::from_static(media)),
                    (header::CONTENT_DISPOSITION, name),
                    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                ],
                body,
            )
                .into_response(),
            _ => kenroku_http::Error::from(Problem::internal()).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_opens_in_a_spreadsheet_and_runs_nothing() {
        let e = Export::new("x", &["a", "b"], vec![json!(["=1+1", 3]), json!(["x,y", null])]);
        assert_eq!(e.csv().replace('\r', ""), "\u{feff}a,b\n'=1+1,3\n\"x,y\",\n");
        let back: Value = serde_json::from_str(&e.json().unwrap()).unwrap();
        assert_eq!(back[0], json!({ "a": "=1+1", "b": 3 }));
    }
}
