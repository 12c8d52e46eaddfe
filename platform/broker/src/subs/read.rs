//! Reading subscriptions: checked, with full names (§5.2.12, §5.8.1).

use kenroku_ngsi_ld::query::{Q, ScopeQ, TypeQ, pattern};
use kenroku_ngsi_ld::{Fault, Names, NgsiError, check};
use kenroku_types::Timestamp;
use serde_json::{Map, Value};

/// What may trigger (§5.2.12).
pub const TRIGGERS: [&str; 6] = [
    "entityCreated",
    "entityUpdated",
    "entityDeleted",
    "attributeCreated",
    "attributeUpdated",
    "attributeDeleted",
];

fn wrong(what: &str) -> NgsiError {
    NgsiError::data(format!("in the subscription: {what}"))
}

/// Applies `f` to every name in a selection of types, leaving the signs between them.
pub fn in_types(text: &str, f: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find([',', '|', ';', '(', ')']).unwrap_or(rest.len());
        let (word, more) = rest.split_at(end);
        if !word.is_empty() {
            out.push_str(&f(word));
        }
        let mut signs = more.chars();
        out.extend(signs.next());
        rest = signs.as_str();
    }
    out
}

/// Where names stand: applies `f` to each of them.
pub fn rename(doc: &mut Value, f: &dyn Fn(&str) -> String) {
    if let Some(list) = doc.get_mut("entities").and_then(Value::as_array_mut) {
        for e in list {
            match e.get_mut("type") {
                Some(Value::String(t)) if t != "*" => *t = in_types(t, f),
                Some(Value::Array(all)) => all.iter_mut().for_each(|t| {
                    if let Value::String(s) = t {
                        *s = f(s);
                    }
                }),
                _ => {}
            }
        }
    }
    let names = |v: Option<&mut Value>| {
        if let Some(Value::Array(all)) = v {
            for n in all {
                if let Value::String(s) = n
                    && !matches!(s.as_str(), "id" | "type" | "scope")
                    && !s.contains('{')
                {
                    *s = f(s);
                }
            }
        }
    };
    names(doc.get_mut("watchedAttributes"));
    if let Some(n) = doc.get_mut("notification") {
        names(n.get_mut("attributes"));
        names(n.get_mut("pick"));
        names(n.get_mut("omit"));
    }
}

fn strings(v: &Value) -> Option<Vec<&str>> {
    v.as_array().filter(|a| !a.is_empty()).and_then(|a| a.iter().map(Value::as_str).collect())
}

/// Checks a whole subscription, whose names are still those of `names`.
///
/// # Errors
/// What is wrong with it.
pub fn check(doc: &Value, names: &Names, now: Timestamp) -> Result<(), NgsiError> {
    let o = doc.as_object().ok_or_else(|| NgsiError::request("a subscription is a JSON object"))?;
    if o.get("type").and_then(Value::as_str) != Some("Subscription") {
        return Err(wrong("its type is Subscription"));
    }
    if !o.contains_key("entities") && !o.contains_key("watchedAttributes") {
        return Err(wrong("it names entities or watchedAttributes"));
    }
    for (k, v) in o {
        member(k, v, names, now)?;
    }
    if o.contains_key("timeInterval")
        && (o.contains_key("throttling")
            || o.contains_key("watchedAttributes") && o.contains_key("throttling"))
    {
        return Err(wrong("timeInterval and throttling exclude each other"));
    }
    let n = o.get("notification").and_then(Value::as_object).ok_or_else(|| wrong("it has a notification"))?;
    notification(n, names)
}

fn member(k: &str, v: &Value, names: &Names, now: Timestamp) -> Result<(), NgsiError> {
    match k {
        "entities" => {
            let all = v
                .as_array()
                .filter(|a| !a.is_empty())
                .ok_or_else(|| wrong("entities is a list that is not empty"))?;
            for e in all {
                match e.get("type") {
                    Some(Value::String(t)) => drop(TypeQ::parse(t, names)?),
                    Some(Value::Array(a)) => {
                        a.iter().try_for_each(|t| names.full(t.as_str().unwrap_or_default()).map(drop))?
                    }
                    _ => return Err(wrong("each of entities has a type")),
                }
                match e.get("id") {
                    None => {}
                    Some(Value::String(i)) => check::uri(i, "the entity's id")?,
                    Some(other) => {
                        let ids = strings(other).ok_or_else(|| wrong("ids are URIs"))?;
                        ids.into_iter().try_for_each(|i| check::uri(i, "the entity's id"))?;
                    }
                }
                if let Some(p) = e.get("idPattern") {
                    pattern(p.as_str().ok_or_else(|| wrong("idPattern is a text"))?)?;
                }
            }
        }
        "watchedAttributes" => {
            let all = strings(v).ok_or_else(|| wrong("watchedAttributes is a list of names"))?;
            all.into_iter().try_for_each(|n| names.full(n).map(drop))?;
        }
        "notificationTrigger" => {
            let all = strings(v).ok_or_else(|| wrong("notificationTrigger is a list"))?;
            if let Some(t) = all.iter().find(|t| !TRIGGERS.contains(t)) {
                return Err(wrong(&format!("“{}” triggers nothing", check::short(t))));
            }
        }
        "q" => drop(Q::parse(v.as_str().ok_or_else(|| wrong("q is a text"))?, names)?),
        "scopeQ" => drop(ScopeQ::parse(v.as_str().ok_or_else(|| wrong("scopeQ is a text"))?)?),
        "geoQ" => drop(geo(v, names)?),
        "isActive" if !v.is_boolean() => return Err(wrong("isActive is true or false")),
        "timeInterval" | "throttling" if v.as_f64().is_none_or(|n| n <= 0.0) => {
            return Err(wrong(&format!("{k} is a number of seconds above zero")));
        }
        "expiresAt" => {
            let t = check::time(v.as_str().ok_or_else(|| wrong("expiresAt is a time"))?)?;
            if t <= now {
                return Err(wrong("expiresAt lies in the past"));
            }
        }
        "jsonldContext" => check::uri(v.as_str().unwrap_or_default(), "the jsonldContext")?,
        _ => {}
    }
    Ok(())
}

/// A geoquery of a subscription.
pub(crate) fn geo(v: &Value, names: &Names) -> Result<Option<kenroku_ngsi_ld::query::GeoQ>, NgsiError> {
    let text = |k: &str| v.get(k).and_then(Value::as_str);
    crate::api::query::geo(text("georel"), text("geometry"), v.get("coordinates"), text("geoproperty"), names)
}

fn notification(n: &Map<String, Value>, names: &Names) -> Result<(), NgsiError> {
    let endpoint = n.get("endpoint").ok_or_else(|| wrong("its notification has an endpoint"))?;
    let uri = endpoint.get("uri").and_then(Value::as_str).unwrap_or_default();
    check::uri(uri, "the endpoint's uri")?;
    if !uri.starts_with("http://") && !uri.starts_with("https://") {
        return Err(NgsiError::new(
            Fault::OperationNotSupported,
            "notifications go to http and https addresses",
        ));
    }
    if let Some(f) = n.get("format")
        && !matches!(f.as_str(), Some("normalized" | "concise" | "keyValues" | "simplified"))
    {
        return Err(wrong("its format is normalized, concise, simplified or keyValues"));
    }
    for key in ["attributes", "pick", "omit"] {
        if let Some(v) = n.get(key) {
            let all =
                strings(v).ok_or_else(|| wrong(&format!("{key} is a list of names that is not empty")))?;
            for m in all.into_iter().filter(|m| !matches!(*m, "id" | "type" | "scope") && !m.contains('{')) {
                names.full(m)?;
            }
        }
    }
    if n.contains_key("attributes") && (n.contains_key("pick") || n.contains_key("omit")) {
        return Err(wrong("attributes are not used together with pick or omit"));
    }
    let list = |k: &str| n.get(k).and_then(strings).unwrap_or_default();
    if list("pick").iter().any(|p| list("omit").contains(p)) {
        return Err(wrong("a member is both picked and left out"));
    }
    Ok(())
}
