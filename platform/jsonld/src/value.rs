//! Small questions about JSON-LD values.

use serde_json::{Map, Value};

/// `v` as a list: itself when it is an array, nothing when it is null, else the one value.
pub(crate) fn into_list(v: Value) -> Vec<Value> {
    match v {
        Value::Array(a) => a,
        Value::Null => Vec::new(),
        other => vec![other],
    }
}

/// The items of `v` without taking it apart.
pub(crate) fn items(v: &Value) -> &[Value] {
    match v {
        Value::Array(a) => a,
        other => std::slice::from_ref(other),
    }
}

pub(crate) fn has(v: &Value, key: &str) -> bool {
    v.as_object().is_some_and(|o| o.contains_key(key))
}

/// `{"@graph": …}` with at most `@id` and `@index` beside it.
pub(crate) fn is_graph(v: &Value) -> bool {
    v.as_object().is_some_and(|o| {
        o.contains_key("@graph") && o.keys().all(|k| matches!(k.as_str(), "@graph" | "@id" | "@index"))
    })
}

/// A graph without a name.
pub(crate) fn is_simple_graph(v: &Value) -> bool {
    is_graph(v) && !has(v, "@id")
}

/// Adds a value to an entry (§5.4 of the framing words “add value”): a second value makes it a list.
pub(crate) fn add(map: &mut Map<String, Value>, key: &str, value: Value, as_array: bool) {
    if let Value::Array(all) = value {
        if as_array && !map.contains_key(key) {
            map.insert(key.to_owned(), Value::Array(Vec::new()));
        }
        for v in all {
            add(map, key, v, as_array);
        }
        return;
    }
    match map.get_mut(key) {
        Some(Value::Array(list)) => list.push(value),
        Some(old) => {
            let first = old.take();
            *old = Value::Array(vec![first, value]);
        }
        None => {
            let v = if as_array { Value::Array(vec![value]) } else { value };
            map.insert(key.to_owned(), v);
        }
    }
}
