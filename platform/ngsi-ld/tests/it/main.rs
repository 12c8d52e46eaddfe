//! Entities, fragments and query languages by their clauses, and against hostile input.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be read fails the test")]

mod entities;
mod fragments;
mod queries;

use kenroku_jsonld::NoDocuments;
use kenroku_ngsi_ld::parse::{self, Reading};
use kenroku_ngsi_ld::{Entity, Names, NgsiError};
use serde_json::{Value, json};

fn names() -> Names {
    Names::read(&json!([{ "@vocab": "https://e.example/" }]), &NoDocuments).unwrap()
}

fn read(doc: &Value) -> Result<Entity, NgsiError> {
    parse::entity(doc, &Names::default(), Reading::default())
}

/// A plough with an attribute of every kind.
fn plough() -> Value {
    json!({
        "id": "urn:ngsi-ld:Vehicle:1",
        "type": "Vehicle",
        "scope": ["/Ishikawa/Nomi", "/Snow"],
        "speed": [
            { "type": "Property", "value": 12.5, "unitCode": "KMH", "observedAt": "2026-01-14T00:30:00Z",
              "accuracy": { "type": "Property", "value": 0.5 } },
            { "type": "Property", "value": 13, "datasetId": "urn:ngsi-ld:dataset:gps" },
        ],
        "location": { "type": "GeoProperty", "value": { "type": "Point", "coordinates": [136.55, 36.44] } },
        "depot": { "type": "Relationship", "object": "urn:ngsi-ld:Depot:1", "objectType": "Depot" },
        "crew": { "type": "Relationship", "object": ["urn:ngsi-ld:Person:1", "urn:ngsi-ld:Person:2"] },
        "label": { "type": "LanguageProperty", "languageMap": { "ja": "除雪車", "en": "plough" } },
        "state": { "type": "VocabProperty", "vocab": ["Clearing", "Spreading"] },
        "raw": { "type": "JsonProperty", "json": { "a": [null, 1] } },
        "track": { "type": "ListProperty", "valueList": [[1, 2], [3, 4]] },
        "stops": { "type": "ListRelationship", "objectList": [{ "object": "urn:ngsi-ld:Stop:2" }, { "object": "urn:ngsi-ld:Stop:1" }] },
        "note": { "type": "Property", "value": { "type": "anything", "id": 5, "deep": { "x": [1] } } },
    })
}
