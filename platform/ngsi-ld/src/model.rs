//! Entities and attributes with full names, as they are kept.

use std::collections::BTreeMap;

use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The value that stands for “remove this” in fragments (GS CIM 009 §4.5.0).
pub const NULL: &str = "urn:ngsi-ld:null";

/// Kinds of attributes (§4.5.2 to §4.5.3, §4.5.18 to §4.5.24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A value.
    Property,
    /// A link to an entity.
    Relationship,
    /// A geometry.
    GeoProperty,
    /// A text in several languages.
    LanguageProperty,
    /// A word of a vocabulary.
    VocabProperty,
    /// JSON that is not looked into.
    JsonProperty,
    /// An ordered list of values.
    ListProperty,
    /// An ordered list of links.
    ListRelationship,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] = [
        Kind::Property,
        Kind::Relationship,
        Kind::GeoProperty,
        Kind::LanguageProperty,
        Kind::VocabProperty,
        Kind::JsonProperty,
        Kind::ListProperty,
        Kind::ListRelationship,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Property => "Property",
            Kind::Relationship => "Relationship",
            Kind::GeoProperty => "GeoProperty",
            Kind::LanguageProperty => "LanguageProperty",
            Kind::VocabProperty => "VocabProperty",
            Kind::JsonProperty => "JsonProperty",
            Kind::ListProperty => "ListProperty",
            Kind::ListRelationship => "ListRelationship",
        }
    }

    /// What the member with its value is called.
    pub const fn member(self) -> &'static str {
        match self {
            Kind::Property | Kind::GeoProperty => "value",
            Kind::Relationship => "object",
            Kind::LanguageProperty => "languageMap",
            Kind::VocabProperty => "vocab",
            Kind::JsonProperty => "json",
            Kind::ListProperty => "valueList",
            Kind::ListRelationship => "objectList",
        }
    }

    /// What the member with a former value is called (§5.2.14, showChanges).
    pub const fn previous(self) -> &'static str {
        match self {
            Kind::Property | Kind::GeoProperty => "previousValue",
            Kind::Relationship => "previousObject",
            Kind::LanguageProperty => "previousLanguageMap",
            Kind::VocabProperty => "previousVocab",
            Kind::JsonProperty => "previousJson",
            Kind::ListProperty => "previousValueList",
            Kind::ListRelationship => "previousObjectList",
        }
    }

    /// The member with all values in the simplified temporal representation (§4.5.8).
    pub const fn plural(self) -> &'static str {
        match self {
            Kind::Property | Kind::GeoProperty => "values",
            Kind::Relationship => "objects",
            Kind::LanguageProperty => "languageMaps",
            Kind::VocabProperty => "vocabs",
            Kind::JsonProperty => "jsons",
            Kind::ListProperty => "valueLists",
            Kind::ListRelationship => "objectLists",
        }
    }

    /// From its name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// Attributes by full name; several instances differ in their dataset.
pub type Attrs = BTreeMap<String, Vec<Attr>>;

/// One instance of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attr {
    /// Its kind.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Its value: JSON; for links the URI or URIs, for vocabularies full names.
    #[serde(rename = "v")]
    pub value: Value,
    /// When it was so.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    /// Unit (UN/CEFACT common code).
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub unit_code: Option<Value>,
    /// Which of several instances.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub dataset_id: Option<String>,
    /// Full names of the types of the linked entity.
    #[serde(rename = "ot", default, skip_serializing_if = "Vec::is_empty")]
    pub object_type: Vec<String>,
    /// Full name of the type of the value.
    #[serde(rename = "vt", default, skip_serializing_if = "Option::is_none")]
    pub value_type: Option<String>,
    /// When it was made.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
    /// When it was deleted (temporal representation, notifications).
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Which entry of the history.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// The value before (notifications).
    #[serde(skip)]
    pub previous: Option<(Kind, Value)>,
    /// Attributes of the attribute.
    #[serde(rename = "a", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attrs: Attrs,
}

impl Attr {
    /// A plain one.
    pub fn new(kind: Kind, value: Value) -> Self {
        Attr {
            kind,
            value,
            observed_at: None,
            unit_code: None,
            dataset_id: None,
            object_type: Vec::new(),
            value_type: None,
            created_at: None,
            modified_at: None,
            deleted_at: None,
            instance_id: None,
            previous: None,
            attrs: Attrs::new(),
        }
    }

    /// Whether it only says that the attribute goes (§4.5.0).
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::String(s) => s == NULL,
            Value::Object(o) => o.len() == 1 && o.get("@none").is_some_and(|v| v == NULL),
            _ => false,
        }
    }

    /// Whether such a mark stands anywhere in it.
    pub fn holds_null(&self) -> bool {
        fn within(v: &Value) -> bool {
            match v {
                Value::String(s) => s == NULL,
                Value::Array(a) => a.iter().any(within),
                Value::Object(o) => o.values().any(within),
                _ => false,
            }
        }
        within(&self.value) || self.attrs.values().flatten().any(Attr::holds_null)
    }

    /// Whether its value stands directly under its name when written briefly.
    pub fn is_bare(&self) -> bool {
        self.observed_at.is_none()
            && self.unit_code.is_none()
            && self.dataset_id.is_none()
            && self.object_type.is_empty()
            && self.value_type.is_none()
            && self.instance_id.is_none()
            && self.deleted_at.is_none()
            && self.previous.is_none()
            && self.attrs.is_empty()
    }
}

/// An entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// Its id, a URI.
    pub id: String,
    /// Full names of its types.
    #[serde(rename = "type")]
    pub types: Vec<String>,
    /// Where it stands in hierarchies (§4.18).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// When it goes by itself (§4.22).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Its attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attrs: Attrs,
}

impl Entity {
    /// The instance of an attribute with this dataset.
    pub fn instance(&self, name: &str, dataset: Option<&str>) -> Option<&Attr> {
        self.attrs.get(name)?.iter().find(|a| a.dataset_id.as_deref() == dataset)
    }
}
