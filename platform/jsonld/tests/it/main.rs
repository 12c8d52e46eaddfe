//! Contexts, expansion and compaction by the clauses of JSON-LD 1.1, and against hostile input.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be read fails the test")]

mod cases;
mod hostile;

use std::collections::HashMap;
use std::sync::Arc;

use kenroku_jsonld::{Context, Documents, Error, Limits, Processor};
use serde_json::Value;

/// Documents by their address.
#[derive(Default)]
struct Library(HashMap<String, Arc<Value>>);

impl Library {
    fn with(mut self, url: &str, doc: Value) -> Self {
        self.0.insert(url.to_owned(), Arc::new(doc));
        self
    }
}

impl Documents for Library {
    fn get(&self, url: &str) -> Option<Arc<Value>> {
        self.0.get(url).cloned()
    }
}

fn read(local: &Value, docs: &Library) -> Result<Context, Error> {
    Processor::new(docs, Limits::default()).process(&Context::empty(None), local, None)
}
