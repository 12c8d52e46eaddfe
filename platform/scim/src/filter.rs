//! Filters (RFC 7644 §3.4.2.2) and paths of changes (§3.5.2): read from text, asked of JSON.
//!
//! Names of attributes and operators are read without regard to case; text is compared without regard to case, except
//! where the schema says otherwise ([`EXACT`]).

use kenroku_types::Timestamp;
use serde_json::Value;

use crate::error::{Kind, ScimError};

/// Longest filter or path, bytes.
pub const MAX_LENGTH: usize = 4096;
/// Deepest nesting of parentheses, brackets and `not`.
pub const MAX_DEPTH: usize = 16;
/// Most comparisons in one filter.
pub const MAX_TERMS: usize = 100;

/// Attributes whose text is compared exactly (RFC 7643 §3.1, §7: `caseExact`).
pub const EXACT: [&str; 4] = ["id", "externalid", "location", "version"];

/// An attribute, in lower case: `name.familyname`. A schema before it is dropped unless it is all there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attr {
    /// The schema it was named with, in lower case.
    pub schema: Option<String>,
    /// The attribute.
    pub name: String,
    /// The part of it.
    pub sub: Option<String>,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
}

/// A question to a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of them hold.
    And(Vec<Filter>),
    /// One of them holds.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The attribute has a value.
    Present(Attr),
    /// The attribute, or one of its values, compares so.
    Compare(Attr, Op, Value),
    /// One value of the attribute answers the inner question: `emails[type eq "work"]`.
    Within(Attr, Box<Filter>),
}

/// What a change is about: `emails[type eq "work"].value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The attribute.
    pub attr: Attr,
    /// Which of its values.
    pub which: Option<Filter>,
    /// Which part of these.
    pub sub: Option<String>,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// `invalidFilter`, with the place.
    pub fn parse(text: &str) -> Result<Filter, ScimError> {
        let mut p = Parser::new(text).map_err(|e| e.of(Kind::InvalidFilter))?;
        p.whole(Parser::any_of).map_err(|e| e.of(Kind::InvalidFilter))
    }

    /// Whether the resource answers it with yes.
    pub fn holds(&self, resource: &Value) -> bool {
        match self {
            Filter::And(all) => all.iter().all(|f| f.holds(resource)),
            Filter::Or(any) => any.iter().any(|f| f.holds(resource)),
            Filter::Not(f) => !f.holds(resource),
            Filter::Present(attr) => values(resource, attr).iter().any(|v| is_present(v)),
            Filter::Compare(attr, Op::Ne, wanted) => !compares_any(resource, attr, Op::Eq, wanted),
            Filter::Compare(attr, op, wanted) => compares_any(resource, attr, *op, wanted),
            Filter::Within(attr, inner) => values(resource, attr).iter().any(|v| inner.holds(v)),
        }
    }
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// `invalidPath`, with the place.
    pub fn parse(text: &str) -> Result<Path, ScimError> {
        let mut p = Parser::new(text).map_err(|e| e.of(Kind::InvalidPath))?;
        p.whole(Parser::path).map_err(|e| e.of(Kind::InvalidPath))
    }
}

/// The member of an object, whatever the case of its name.
pub(crate) fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object.as_object()?.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

/// The values of an attribute; several for a list.
fn values<'v>(resource: &'v Value, attr: &Attr) -> Vec<&'v Value> {
    let Some(found) = member(resource, &attr.name) else { return Vec::new() };
    let each: Vec<&Value> = match found {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    match &attr.sub {
        Some(sub) => each.into_iter().filter_map(|v| member(v, sub)).collect(),
        None => each,
    }
}

fn is_present(v: &Value) -> bool {
    match v {
        Value::Null => false,
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compares_any(resource: &Value, attr: &Attr, op: Op, wanted: &Value) -> bool {
    let exact = EXACT.contains(&attr.sub.as_deref().unwrap_or(&attr.name));
    let found = values(resource, attr);
    // Nothing there compares as null (RFC 7643 §2.5).
    if found.is_empty() {
        return op == Op::Eq && wanted.is_null();
    }
    found.into_iter().any(|v| {
        // A complex value stands for its `value` (RFC 7643 §2.4).
        let v = if v.is_object() { member(v, "value").unwrap_or(&Value::Null) } else { v };
        compares(v, op, wanted, exact)
    })
}

fn compares(v: &Value, op: Op, wanted: &Value, exact: bool) -> bool {
    let ordered = |o: std::cmp::Ordering| match op {
        Op::Eq => o.is_eq(),
        Op::Ne => o.is_ne(),
        Op::Gt => o.is_gt(),
        Op::Ge => o.is_ge(),
        Op::Lt => o.is_lt(),
        Op::Le => o.is_le(),
        Op::Co | Op::Sw | Op::Ew => false,
    };
    match (v, wanted) {
        (Value::Null, Value::Null) => op == Op::Eq,
        (Value::Bool(a), Value::Bool(b)) => (op == Op::Eq && a == b) || (op == Op::Ne && a != b),
        // Some directories write truth as text.
        (Value::Bool(a), Value::String(b)) => op == Op::Eq && b.eq_ignore_ascii_case(&a.to_string()),
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b)).is_some_and(ordered)
        }
        (Value::String(a), Value::String(b)) => {
            let is_text = matches!(op, Op::Co | Op::Sw | Op::Ew | Op::Eq | Op::Ne);
            if !is_text && let (Ok(a), Ok(b)) = (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
                return ordered(a.cmp(&b));
            }
            let (a, b) = if exact { (a.clone(), b.clone()) } else { (a.to_lowercase(), b.to_lowercase()) };
            match op {
                Op::Co => a.contains(&b),
                Op::Sw => a.starts_with(&b),
                Op::Ew => a.ends_with(&b),
                _ => ordered(a.cmp(&b)),
            }
        }
        _ => false,
    }
}

/// What cannot be read.
struct Unreadable {
    at: usize,
    why: &'static str,
}

impl Unreadable {
    fn of(self, kind: Kind) -> ScimError {
        ScimError::of(kind, format!("{} at byte {}", self.why, self.at))
    }
}

type Read<T> = Result<T, Unreadable>;

/// A reader by recursive descent; its depth is bounded by [`MAX_DEPTH`].
struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    terms: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Read<Self> {
        if text.len() > MAX_LENGTH {
            return Err(Unreadable { at: MAX_LENGTH, why: "too long (at most 4096 bytes)" });
        }
        Ok(Parser { text, at: 0, depth: 0, terms: 0 })
    }

    fn fail<T>(&self, why: &'static str) -> Read<T> {
        Err(Unreadable { at: self.at, why })
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn eats(&mut self, c: char) -> bool {
        let there = self.rest().starts_with(c);
        self.at += if there { c.len_utf8() } else { 0 };
        there
    }

    /// A word of the grammar, followed by something that is no part of a word.
    fn eats_word(&mut self, word: &str) -> bool {
        let Some(head) = self.rest().get(..word.len()) else { return false };
        let next = self.rest().get(word.len()..).and_then(|r| r.chars().next());
        let ends = next.is_none_or(|c| c == ' ' || c == '(' || c == ')' || c == ']');
        let there = ends && head.eq_ignore_ascii_case(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn whole<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        self.spaces();
        let out = read(self)?;
        self.spaces();
        if self.rest().is_empty() {
            Ok(out)
        } else {
            self.fail("something follows that does not belong here")
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth == MAX_DEPTH {
            return self.fail("nested too deep (at most 16)");
        }
        self.depth += 1;
        let out = read(self)?;
        self.depth -= 1;
        Ok(out)
    }

    /// Alternatives; `and` binds closer (RFC 7644 §3.4.2.2).
    fn any_of(&mut self) -> Read<Filter> {
        let mut parts = vec![self.all_of()?];
        while self.joined("or") {
            parts.push(self.all_of()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Filter::Or(parts) })
    }

    fn all_of(&mut self) -> Read<Filter> {
        let mut parts = vec![self.term()?];
        while self.joined("and") {
            parts.push(self.term()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Filter::And(parts) })
    }

    fn joined(&mut self, word: &str) -> bool {
        let before = self.at;
        self.spaces();
        let there = self.at > before || self.text.get(..before).is_some_and(|t| t.ends_with([')', ']']));
        if there && self.eats_word(word) {
            self.spaces();
            return true;
        }
        self.at = before;
        false
    }

    fn term(&mut self) -> Read<Filter> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return self.fail("too many comparisons (at most 100)");
        }
        let before = self.at;
        if self.eats_word("not") {
            self.spaces();
            if self.eats('(') {
                let inner = self.deeper(Self::group)?;
                return Ok(Filter::Not(Box::new(inner)));
            }
            self.at = before;
        }
        if self.eats('(') {
            return self.deeper(Self::group);
        }
        let attr = self.attr()?;
        if self.eats('[') {
            let inner = self.deeper(Self::bracket)?;
            return Ok(Filter::Within(attr, Box::new(inner)));
        }
        self.comparison(attr)
    }

    fn group(&mut self) -> Read<Filter> {
        self.spaces();
        let inner = self.any_of()?;
        self.spaces();
        if self.eats(')') { Ok(inner) } else { self.fail("a ) is missing") }
    }

    fn bracket(&mut self) -> Read<Filter> {
        self.spaces();
        let inner = self.any_of()?;
        self.spaces();
        if self.eats(']') { Ok(inner) } else { self.fail("a ] is missing") }
    }

    fn comparison(&mut self, attr: Attr) -> Read<Filter> {
        if !self.eats(' ') {
            return self.fail("a blank and an operator are missing");
        }
        self.spaces();
        if self.eats_word("pr") {
            return Ok(Filter::Present(attr));
        }
        let ops = [
            ("eq", Op::Eq),
            ("ne", Op::Ne),
            ("co", Op::Co),
            ("sw", Op::Sw),
            ("ew", Op::Ew),
            ("gt", Op::Gt),
            ("ge", Op::Ge),
            ("lt", Op::Lt),
            ("le", Op::Le),
        ];
        let Some((_, op)) = ops.into_iter().find(|(word, _)| self.eats_word(word)) else {
            return self.fail("the operator is none of eq ne co sw ew gt ge lt le pr");
        };
        self.spaces();
        Ok(Filter::Compare(attr, op, self.value()?))
    }

    /// A value as JSON writes it (RFC 8259), but no list and no object.
    fn value(&mut self) -> Read<Value> {
        let rest = self.rest();
        let len = if rest.starts_with('"') {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            let Some((end, _)) = end else { return self.fail("a closing \" is missing") };
            end + 1
        } else {
            rest.find([' ', ')', ']']).unwrap_or(rest.len())
        };
        let text = rest.get(..len).unwrap_or("");
        // True, False: written so by directories made with .NET or Python.
        let text = if text.starts_with('"') { text.to_owned() } else { text.to_ascii_lowercase() };
        match serde_json::from_str::<Value>(&text) {
            Ok(v) if !v.is_array() && !v.is_object() => {
                self.at += len;
                Ok(v)
            }
            _ => self.fail("the value is no text in \" \", number, true, false or null"),
        }
    }

    fn attr(&mut self) -> Read<Attr> {
        let rest = self.rest();
        let len =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.:$".contains(c))).unwrap_or(rest.len());
        let text = rest.get(..len).unwrap_or("").to_ascii_lowercase();
        let (schema, name) = match text.rsplit_once(':') {
            // The numbers of a schema have dots too: cut only after the last colon.
            Some((schema, name)) if schema.starts_with("urn:") => (Some(schema.to_owned()), name.to_owned()),
            Some(_) => return self.fail("a name with a colon must begin with urn:"),
            None => (None, text),
        };
        let (name, sub) = match name.split_once('.') {
            Some((name, sub)) => (name.to_owned(), Some(sub.to_owned())),
            None => (name, None),
        };
        let begins = |t: &str| t.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$');
        if !begins(&name) || !sub.iter().all(|s| begins(s) && !s.contains('.')) {
            return self.fail("the name of an attribute is missing");
        }
        self.at += len;
        Ok(Attr { schema, name, sub })
    }

    fn path(&mut self) -> Read<Path> {
        let attr = self.attr()?;
        if !self.eats('[') {
            let (sub, attr) = (attr.sub.clone(), Attr { sub: None, ..attr });
            return Ok(Path { attr, which: None, sub });
        }
        let which = Some(self.deeper(Self::bracket)?);
        let sub = if self.eats('.') { Some(self.attr()?.name) } else { None };
        Ok(Path { attr, which, sub })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn person() -> Value {
        json!({
            "id": "7", "externalId": "Ab", "userName": "yuki.desk@example.jp", "active": true,
            "displayName": "除雪 花子", "title": "",
            "name": {"familyName": "除雪", "givenName": "花子"},
            "emails": [{"type": "work", "value": "Yuki@Example.jp", "primary": true}, {"type": "home", "value": "y@h.jp"}],
            "meta": {"lastModified": "2026-01-14T00:30:00Z"},
        })
    }

    fn holds(text: &str) -> bool {
        Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).holds(&person())
    }

    /// The forms of RFC 7644 §3.4.2.2, each beside one that does not hold.
    #[test]
    fn the_grammar_of_the_standard_is_understood() {
        for (yes, no) in [
            (r#"userName eq "YUKI.desk@example.jp""#, r#"userName eq "yuki""#),
            (r#"externalId eq "Ab""#, r#"externalId eq "ab""#),
            (r#"name.familyName co "雪""#, r#"name.familyName co "花""#),
            (r#"displayName sw "除""#, r#"displayName sw "花""#),
            (r#"userName ew ".JP""#, r#"userName ew ".com""#),
            (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "yuki""#, r#"userName sw "hana""#),
            ("active eq true", "active eq false"),
            (r#"active eq "True""#, r#"active ne "True""#),
            ("active eq True", "not (active eq True)"),
            ("externalId pr", "title pr"),
            ("nickName eq null", "userName eq null"),
            (r#"emails co "example""#, r#"emails co "example.com""#),
            (r#"emails.type eq "home""#, r#"emails.type eq "other""#),
            (
                r#"emails[type eq "work" and value co "@example"]"#,
                r#"emails[type eq "home" and value co "@example"]"#,
            ),
            (
                r#"meta.lastModified gt "2026-01-13T00:00:00Z""#,
                r#"meta.lastModified gt "2026-01-14T09:30:00+09:00""#,
            ),
            (
                r#"meta.lastModified ge "2026-01-14T09:30:00+09:00""#,
                r#"meta.lastModified lt "2026-01-14T00:30:00Z""#,
            ),
            (
                r#"active eq false or userName sw "y" and active eq true"#,
                r#"(active eq false or userName sw "y") and active eq false"#,
            ),
            (r#"USERNAME EQ "yuki.desk@example.jp" AND ACTIVE EQ TRUE"#, r#"not(userName pr)"#),
            (r#"userName ne "x""#, r#"displayName eq "say \"x\"""#),
        ] {
            assert!(holds(yes), "{yes}");
            assert!(!holds(no), "{no}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_place() {
        for bad in [
            "",
            " ",
            "userName",
            "userName eq",
            "eq \"x\"",
            "userName is \"x\"",
            "userName eq \"x",
            "userName eq x",
            "userName eq [1]",
            "userName eq {}",
            "(userName pr",
            "userName pr)",
            "emails[type eq \"work\"",
            "a..b pr",
            "a.b.c pr",
            ".a pr",
            "userName eq \"x\" and",
            "and userName pr",
            "not userName pr",
            "x:y pr",
            "1a pr",
            "userName eq \"a\"or active eq true",
            "userName\teq \"x\"",
            "雪 pr",
        ] {
            let e = Filter::parse(bad).unwrap_err();
            assert_eq!((e.status, e.kind), (400, Some(Kind::InvalidFilter)), "{bad}");
        }
    }

    #[test]
    fn length_depth_and_number_are_bounded_and_just_below_it_works() {
        let nested = |n: usize| format!("{}userName pr{}", "(".repeat(n), ")".repeat(n));
        assert!(Filter::parse(&nested(MAX_DEPTH)).is_ok());
        assert!(Filter::parse(&nested(MAX_DEPTH + 1)).is_err());
        let nots = |n: usize| format!("{}userName pr{}", "not (".repeat(n), ")".repeat(n));
        assert!(Filter::parse(&nots(MAX_DEPTH)).is_ok() && Filter::parse(&nots(700)).is_err());
        let many = |n: usize| vec!["active eq true"; n].join(" and ");
        assert!(Filter::parse(&many(MAX_TERMS)).is_ok());
        assert!(Filter::parse(&many(MAX_TERMS + 1)).is_err());
        let long = |n: usize| format!("userName eq \"{}\"", "x".repeat(n));
        assert!(Filter::parse(&long(MAX_LENGTH - 14)).is_ok());
        assert!(Filter::parse(&long(MAX_LENGTH)).is_err());
        assert!(Filter::parse(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn paths_of_changes_are_read() {
        let p = Path::parse("emails[type eq \"work\"].value").unwrap();
        assert_eq!((p.attr.name.as_str(), p.sub.as_deref()), ("emails", Some("value")));
        assert!(p.which.unwrap().holds(&json!({"type": "Work"})));
        let p = Path::parse("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName").unwrap();
        assert_eq!((p.attr.name.as_str(), p.sub.as_deref()), ("name", Some("familyname")));
        let p = Path::parse("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department").unwrap();
        assert!(p.attr.schema.unwrap().contains("enterprise"));
        assert!(Path::parse("members").unwrap().which.is_none());
        for bad in ["", "members[", "members[value eq \"1\"]x", "a b", "emails[type]"] {
            assert_eq!(Path::parse(bad).unwrap_err().kind, Some(Kind::InvalidPath), "{bad}");
        }
    }

    /// A filter and its text.
    fn written() -> impl Strategy<Value = (Filter, String)> {
        let attr = prop::sample::select(vec![
            "userName",
            "externalId",
            "active",
            "emails.value",
            "displayName",
            "nothing",
        ]);
        let leaf = (
            attr,
            0..9usize,
            prop::sample::select(vec!["\"yuki\"", "true", "3", "null", "\"a \\\"b\\\" ]) or\""]),
        )
            .prop_map(|(a, op, v)| {
                let ops = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];
                let text = format!("{a} {} {v}", ops[op]);
                (Filter::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}")), text)
            });
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| {
                    let (f, t): (Vec<_>, Vec<_>) =
                        parts.into_iter().map(|(f, t)| (f, format!("({t})"))).unzip();
                    (Filter::And(f), t.join(" and "))
                }),
                prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| {
                    let (f, t): (Vec<_>, Vec<_>) =
                        parts.into_iter().map(|(f, t)| (f, format!("({t})"))).unzip();
                    (Filter::Or(f), t.join(" or "))
                }),
                inner.prop_map(|(f, t)| (Filter::Not(Box::new(f)), format!("not ({t})"))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back((filter, text) in written()) {
            let read = Filter::parse(&text).unwrap();
            prop_assert_eq!(&read, &filter, "{}", text);
            prop_assert_eq!(read.holds(&person()), filter.holds(&person()));
        }

        #[test]
        fn nothing_that_anybody_sends_panics(text in ".{0,200}") {
            let _ = Filter::parse(&text).map(|f| f.holds(&person()));
            let _ = Path::parse(&text);
        }

        #[test]
        fn nothing_made_of_the_grammars_own_words_panics(
            words in prop::collection::vec(prop::sample::select(vec![
                "(", ")", "[", "]", "not", "and", "or", "eq", "pr", "co", " ", "\"", "\\", "a", "emails", ".", ":",
                "urn:", "true", "null", "1e999", "-", "雪", "\u{0}", "not(", "type eq \"work\"",
            ]), 0..120),
            glue in prop::sample::select(vec!["", " "]),
        ) {
            let text = words.join(glue);
            let _ = Filter::parse(&text).map(|f| f.holds(&person()));
            let _ = Path::parse(&text);
        }
    }
}
