//! The query language `q` (GS CIM 009 §4.9).

use std::fmt;

use kenroku_types::Timestamp;
use regex::Regex;
use serde_json::Value;

use super::Links;
use super::lex::Cursor;
use crate::model::{Attr, Attrs, Entity, Kind};
use crate::{Names, NgsiError, check};

/// A query.
#[derive(Clone, Debug)]
pub enum Q {
    /// One of these.
    Or(Vec<Q>),
    /// All of these.
    And(Vec<Q>),
    /// One condition.
    Term(Term),
}

/// One condition.
#[derive(Clone, Debug)]
pub struct Term {
    /// On what.
    pub path: Path,
    /// How it is compared, and with what; `None` asks whether it is there.
    pub test: Option<(Op, TermValue)>,
}

/// An attribute, attributes of it, and a way into its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Full names, outermost first.
    pub attrs: Vec<String>,
    /// As they were written: members such as `observedAt` are known by these.
    pub words: Vec<String>,
    /// Keys inside the value.
    pub trail: Vec<String>,
    /// What follows at the other end of a relationship.
    pub linked: Option<Box<Linked>>,
}

/// The entity that a relationship leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Linked {
    /// Full names of its types; empty for any.
    pub types: Vec<String>,
    /// What is asked of it.
    pub path: Path,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `~=`
    Like,
    /// `!~=`
    Unlike,
}

const OPS: [(&str, Op); 8] = [
    ("!~=", Op::Unlike),
    ("==", Op::Eq),
    ("!=", Op::Ne),
    (">=", Op::Ge),
    ("<=", Op::Le),
    ("~=", Op::Like),
    (">", Op::Gt),
    ("<", Op::Lt),
];

/// What is compared with.
#[derive(Clone, Debug)]
pub enum TermValue {
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A text in quotation marks.
    Text(String),
    /// A date and time.
    Time(Timestamp),
    /// A URI or word without quotation marks, with its full name.
    Word(String, Option<String>),
    /// Between two, both included.
    Range(Box<TermValue>, Box<TermValue>),
    /// One of these.
    List(Vec<TermValue>),
    /// Like this.
    Pattern(Regex),
}

impl Q {
    /// From its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, names: &Names) -> Result<Self, NgsiError> {
        let mut c = Cursor::new(text)?;
        let q = or(&mut c, names)?;
        if c.is_done() { Ok(q) } else { Err(c.wrong("this does not belong to a query")) }
    }

    /// Whether the entity fulfils it.
    pub fn matches(&self, e: &Entity, links: &dyn Links) -> bool {
        match self {
            Q::Or(all) => all.iter().any(|q| q.matches(e, links)),
            Q::And(all) => all.iter().all(|q| q.matches(e, links)),
            Q::Term(t) => t.path.test(e, t.test.as_ref(), links),
        }
    }

    /// Full names of the attributes it looks at.
    pub fn attributes(&self) -> Vec<&str> {
        match self {
            Q::Or(all) | Q::And(all) => all.iter().flat_map(Q::attributes).collect(),
            Q::Term(t) => t.path.attrs.first().map(String::as_str).into_iter().collect(),
        }
    }
}

fn or(c: &mut Cursor<'_>, names: &Names) -> Result<Q, NgsiError> {
    let mut all = vec![and(c, names)?];
    while c.eat("|") {
        all.push(and(c, names)?);
    }
    Ok(if all.len() == 1 { all.remove(0) } else { Q::Or(all) })
}

fn and(c: &mut Cursor<'_>, names: &Names) -> Result<Q, NgsiError> {
    let mut all = vec![atom(c, names)?];
    while c.eat(";") {
        all.push(atom(c, names)?);
    }
    Ok(if all.len() == 1 { all.remove(0) } else { Q::And(all) })
}

fn atom(c: &mut Cursor<'_>, names: &Names) -> Result<Q, NgsiError> {
    if c.eat("(") {
        c.open()?;
        let inner = or(c, names)?;
        c.close()?;
        return Ok(inner);
    }
    let path = path(c, names, 0)?;
    let Some((sign, op)) = OPS.iter().find(|(s, _)| c.rest().starts_with(s)) else {
        return Ok(Q::Term(Term { path, test: None }));
    };
    c.eat(sign);
    let value = match op {
        Op::Like | Op::Unlike => {
            let text = if c.eat("\"") { c.quoted()? } else { pattern_text(c).to_owned() };
            TermValue::Pattern(super::pattern(&text)?)
        }
        Op::Eq | Op::Ne => list(c, names)?,
        _ => {
            let v = single(c, names)?;
            if matches!(v, TermValue::Bool(_)) {
                return Err(c.wrong("true and false have no order"));
            }
            v
        }
    };
    Ok(Q::Term(Term { path, test: Some((*op, value)) }))
}

/// A pattern without quotation marks ends where the condition ends; brackets inside it are its own.
fn pattern_text<'s>(c: &mut Cursor<'s>) -> &'s str {
    let rest = c.rest();
    let mut open = 0i32;
    let mut end = rest.len();
    for (i, ch) in rest.char_indices() {
        match ch {
            '(' => open += 1,
            ')' if open == 0 => {
                end = i;
                break;
            }
            ')' => open -= 1,
            ';' => {
                end = i;
                break;
            }
            '|' if open == 0 => {
                end = i;
                break;
            }
            _ => {}
        }
    }
    let text = &rest[..end];
    c.eat(text);
    text
}

fn path(c: &mut Cursor<'_>, names: &Names, level: u8) -> Result<Path, NgsiError> {
    let mut p = Path { attrs: Vec::new(), words: Vec::new(), trail: Vec::new(), linked: None };
    loop {
        let word = name(c)?;
        p.attrs.push(names.full(&word)?);
        p.words.push(word);
        if c.eat("{") {
            if level > 4 {
                return Err(c.wrong("too many linked entities one behind the other"));
            }
            let inside = c.until(|ch| ch == '}');
            let types = inside
                .split([',', '|'])
                .filter(|t| !t.trim().is_empty())
                .map(|t| names.full(t.trim()))
                .collect::<Result<_, _>>()?;
            if !c.eat("}") || !c.eat(".") {
                return Err(c.wrong("behind the type of a linked entity stands }. and an attribute"));
            }
            p.linked = Some(Box::new(Linked { types, path: path(c, names, level + 1)? }));
            return Ok(p);
        }
        if c.eat("[") {
            let inside = c.until(|ch| ch == ']');
            if !c.eat("]") || inside.is_empty() {
                return Err(c.wrong("a closing ] is missing"));
            }
            p.trail = inside.split('.').map(|s| s.trim_matches('"').to_owned()).collect();
            return Ok(p);
        }
        if !c.eat(".") {
            return Ok(p);
        }
        if p.attrs.len() > 16 {
            return Err(c.wrong("the path is too long"));
        }
    }
}

/// A name; a full name holds dots and other signs and stands whole when it begins with a scheme.
fn name(c: &mut Cursor<'_>) -> Result<String, NgsiError> {
    let rest = c.rest();
    let stop = |ch: char| {
        matches!(ch, ';' | '|' | '(' | ')' | '=' | '!' | '<' | '>' | '~' | '[' | ']' | '{' | '}' | '"' | ',')
    };
    let full = rest.starts_with("http://") || rest.starts_with("https://") || rest.starts_with("urn:");
    let word = if full { c.until(stop) } else { c.until(|ch| stop(ch) || ch == '.') };
    if word.is_empty() || word.contains(char::is_whitespace) {
        return Err(c.wrong("the name of an attribute is missing"));
    }
    Ok(word.to_owned())
}

fn list(c: &mut Cursor<'_>, names: &Names) -> Result<TermValue, NgsiError> {
    let mut all = vec![ranged(c, names)?];
    while c.eat(",") {
        all.push(ranged(c, names)?);
        if all.len() > 1024 {
            return Err(c.wrong("a list has 1,024 values at most"));
        }
    }
    Ok(if all.len() == 1 { all.remove(0) } else { TermValue::List(all) })
}

fn ranged(c: &mut Cursor<'_>, names: &Names) -> Result<TermValue, NgsiError> {
    let from = single(c, names)?;
    if !c.eat("..") {
        return Ok(from);
    }
    let to = single(c, names)?;
    let same = matches!(
        (&from, &to),
        (TermValue::Number(_), TermValue::Number(_))
            | (TermValue::Time(_), TermValue::Time(_))
            | (TermValue::Text(_), TermValue::Text(_))
            | (TermValue::Word(..), TermValue::Word(..))
    );
    if same {
        Ok(TermValue::Range(Box::new(from), Box::new(to)))
    } else {
        Err(c.wrong("both ends of a range are of one kind"))
    }
}

fn single(c: &mut Cursor<'_>, names: &Names) -> Result<TermValue, NgsiError> {
    if c.eat("\"") {
        return c.quoted().map(TermValue::Text);
    }
    let rest = c.rest();
    let end = rest.find([';', '|', '(', ')', ',', '"']).unwrap_or(rest.len());
    let end = rest[..end].find("..").unwrap_or(end);
    let word = &rest[..end];
    c.eat(word);
    if word.is_empty() || word.contains(char::is_whitespace) {
        return Err(c.wrong("a value is missing; texts stand in quotation marks"));
    }
    if let Some(n) = number(word) {
        return Ok(TermValue::Number(n));
    }
    if let Ok(t) = check::time(word) {
        return Ok(TermValue::Time(t));
    }
    Ok(match word {
        "true" => TermValue::Bool(true),
        "false" => TermValue::Bool(false),
        w => TermValue::Word(w.to_owned(), names.context().expand_iri(w, true, true)),
    })
}

/// A JSON number, and nothing else that a float may be written as.
fn number(s: &str) -> Option<f64> {
    let plain = s.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
    let starts = s.strip_prefix('-').unwrap_or(s).starts_with(|c: char| c.is_ascii_digit());
    if plain && starts { s.parse().ok().filter(|n: &f64| n.is_finite()) } else { None }
}

/// What a path leads to.
enum Found<'v> {
    Json(&'v Value),
    Owned(Value),
    Word(&'v Value),
}

impl Path {
    fn test(&self, e: &Entity, test: Option<&(Op, TermValue)>, links: &dyn Links) -> bool {
        let Some(word) = self.words.first() else { return false };
        if self.attrs.len() == 1 && self.linked.is_none() {
            let own = match word.as_str() {
                "id" => Some(Value::from(e.id.as_str())),
                "createdAt" => e.created_at.map(|t| Value::from(t.to_string())),
                "modifiedAt" => e.modified_at.map(|t| Value::from(t.to_string())),
                "expiresAt" => e.expires_at.map(|t| Value::from(t.to_string())),
                _ => None,
            };
            if let Some(v) = own {
                return judge(Found::Owned(v), test);
            }
        }
        self.test_in(&e.attrs, 0, test, links)
    }

    fn test_in(&self, attrs: &Attrs, at: usize, test: Option<&(Op, TermValue)>, links: &dyn Links) -> bool {
        let last = at + 1 == self.attrs.len();
        let Some(name) = self.attrs.get(at) else { return false };
        let Some(all) = attrs.get(name) else { return false };
        all.iter().any(|a| {
            if !last {
                return self.test_in(&a.attrs, at + 1, test, links) || self.test_member(a, at + 1, test);
            }
            if let Some(l) = &self.linked {
                return linked(a, l, test, links);
            }
            self.test_value(a, test)
        })
    }

    /// Members of an attribute that are no attributes.
    fn test_member(&self, a: &Attr, at: usize, test: Option<&(Op, TermValue)>) -> bool {
        if at + 1 != self.attrs.len() {
            return false;
        }
        let time = |t: Option<Timestamp>| t.map(|t| Value::from(t.to_string()));
        let v = match self.words.get(at).map(String::as_str) {
            Some("observedAt") => time(a.observed_at),
            Some("createdAt") => time(a.created_at),
            Some("modifiedAt") => time(a.modified_at),
            Some("unitCode") => a.unit_code.clone(),
            Some("datasetId") => a.dataset_id.clone().map(Value::String),
            Some("value" | "object" | "json" | "vocab" | "languageMap" | "valueList" | "objectList") => {
                Some(a.value.clone())
            }
            _ => None,
        };
        v.is_some_and(|v| judge(Found::Owned(v), test))
    }

    fn test_value(&self, a: &Attr, test: Option<&(Op, TermValue)>) -> bool {
        match a.kind {
            Kind::LanguageProperty => match self.trail.as_slice() {
                [] => a.value.as_object().is_some_and(|o| o.values().any(|v| judge(Found::Json(v), test))),
                [one] if one == "*" => {
                    a.value.as_object().is_some_and(|o| o.values().any(|v| judge(Found::Json(v), test)))
                }
                [lang, ..] => a.value.get(lang).is_some_and(|v| judge(Found::Json(v), test)),
            },
            Kind::VocabProperty => judge(Found::Word(&a.value), test),
            _ => {
                let mut v = &a.value;
                for key in &self.trail {
                    let next = match v {
                        Value::Object(o) => o.get(key),
                        Value::Array(list) => key.parse::<usize>().ok().and_then(|i| list.get(i)),
                        _ => None,
                    };
                    let Some(n) = next else { return false };
                    v = n;
                }
                judge(Found::Json(v), test)
            }
        }
    }
}

fn linked(a: &Attr, l: &Linked, test: Option<&(Op, TermValue)>, links: &dyn Links) -> bool {
    let ids: Vec<&str> = match &a.value {
        Value::String(s) => vec![s],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    ids.into_iter().any(|id| {
        links.entity(id).is_some_and(|e| {
            (l.types.is_empty() || l.types.iter().any(|t| e.types.contains(t)))
                && l.path.test(&e, test, links)
        })
    })
}

fn judge(found: Found<'_>, test: Option<&(Op, TermValue)>) -> bool {
    let Some((op, wanted)) = test else { return true };
    let (v, word) = match &found {
        Found::Json(v) => (*v, false),
        Found::Word(v) => (*v, true),
        Found::Owned(v) => (v, false),
    };
    match op {
        Op::Eq => any(v, &|x| equal(x, wanted, word)),
        Op::Ne => !any(v, &|x| equal(x, wanted, word)),
        Op::Like => any(v, &|x| like(x, wanted)),
        Op::Unlike => !any(v, &|x| like(x, wanted)),
        Op::Gt => any(v, &|x| compare(x, wanted).is_some_and(|o| o.is_gt())),
        Op::Ge => any(v, &|x| compare(x, wanted).is_some_and(|o| o.is_ge())),
        Op::Lt => any(v, &|x| compare(x, wanted).is_some_and(|o| o.is_lt())),
        Op::Le => any(v, &|x| compare(x, wanted).is_some_and(|o| o.is_le())),
    }
}

/// A list fulfils what one of its items fulfils.
fn any(v: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    match v {
        Value::Array(all) => all.iter().any(test),
        one => test(one),
    }
}

fn equal(v: &Value, wanted: &TermValue, word: bool) -> bool {
    match wanted {
        TermValue::List(all) => all.iter().any(|w| equal(v, w, word)),
        TermValue::Range(from, to) => {
            compare(v, from).is_some_and(|o| o.is_ge()) && compare(v, to).is_some_and(|o| o.is_le())
        }
        TermValue::Bool(b) => v.as_bool() == Some(*b),
        TermValue::Word(w, full) => {
            v.as_str().is_some_and(|s| s == w || (word && Some(s) == full.as_deref()))
        }
        TermValue::Text(t) if word => {
            v.as_str().is_some_and(|s| s == t || s.rsplit(['/', '#', ':']).next() == Some(t))
        }
        TermValue::Pattern(_) => like(v, wanted),
        other => compare(v, other).is_some_and(|o| o.is_eq()),
    }
}

fn like(v: &Value, wanted: &TermValue) -> bool {
    match (v, wanted) {
        (Value::String(s), TermValue::Pattern(p)) => p.is_match(s),
        (Value::Number(n), TermValue::Pattern(p)) => p.is_match(&n.to_string()),
        _ => false,
    }
}

fn compare(v: &Value, wanted: &TermValue) -> Option<std::cmp::Ordering> {
    match wanted {
        TermValue::Number(n) => v.as_f64()?.partial_cmp(n),
        TermValue::Text(t) => {
            let s = v.get("@value").unwrap_or(v).as_str()?;
            match (check::time(s), check::time(t)) {
                (Ok(a), Ok(b)) => Some(a.cmp(&b)),
                _ => Some(s.cmp(t.as_str())),
            }
        }
        TermValue::Time(t) => check::time(v.get("@value").unwrap_or(v).as_str()?).ok().map(|x| x.cmp(t)),
        TermValue::Word(w, _) => Some(v.get("@value").unwrap_or(v).as_str()?.cmp(w.as_str())),
        _ => None,
    }
}

impl fmt::Display for Q {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, all: &[Q], by: &str| {
            for (i, q) in all.iter().enumerate() {
                if i > 0 {
                    f.write_str(by)?;
                }
                match q {
                    Q::Term(_) => write!(f, "{q}")?,
                    _ => write!(f, "({q})")?,
                }
            }
            Ok(())
        };
        match self {
            Q::Or(all) => list(f, all, "|"),
            Q::And(all) => list(f, all, ";"),
            Q::Term(t) => {
                write!(f, "{}", t.path)?;
                match &t.test {
                    None => Ok(()),
                    Some((op, v)) => {
                        let sign = OPS.iter().find(|(_, o)| o == op).map_or("", |(s, _)| s);
                        write!(f, "{sign}{v}")
                    }
                }
            }
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join("."))?;
        if let Some(l) = &self.linked {
            write!(f, "{{{}}}.{}", l.types.join(","), l.path)?;
        }
        if self.trail.is_empty() { Ok(()) } else { write!(f, "[{}]", self.trail.join(".")) }
    }
}

impl fmt::Display for TermValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |f: &mut fmt::Formatter<'_>, s: &str| {
            write!(f, "\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\""))
        };
        match self {
            TermValue::Number(n) => write!(f, "{n}"),
            TermValue::Bool(b) => write!(f, "{b}"),
            TermValue::Text(t) => quoted(f, t),
            TermValue::Time(t) => write!(f, "{t}"),
            TermValue::Word(w, _) => f.write_str(w),
            TermValue::Range(a, b) => write!(f, "{a}..{b}"),
            TermValue::Pattern(p) => quoted(f, p.as_str()),
            TermValue::List(all) => {
                for (i, v) in all.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{v}")?;
                }
                Ok(())
            }
        }
    }
}
