//! Statements: [`Sql`] (static, registered, rewritten once) and [`SqlBuilder`] (dynamic filters from static parts).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::Engine;
use crate::value::Val;

/// One SQL text for both engines, written with `$1 … $N`. Made by [`sql!`](crate::sql!) or, where the engines
/// must differ, by [`sql_pair!`](crate::sql_pair!). Every statement is in [`REGISTRY`].
#[derive(Debug)]
pub struct Sql {
    text: &'static str,
    /// The PostgreSQL text of a pair; `None` when one text serves both.
    pg: Option<&'static str>,
    /// Why the engines must differ; empty for a shared text.
    pub why: &'static str,
    /// Where it is written.
    pub file: &'static str,
    /// Line in `file`.
    pub line: u32,
    lite: OnceLock<String>,
    ran: AtomicU8,
}

/// Every statement of the program, collected at link time; the tests walk it.
#[linkme::distributed_slice]
pub static REGISTRY: [Sql];

impl Sql {
    /// Used by the macros.
    #[doc(hidden)]
    pub const fn new(
        text: &'static str,
        pg: Option<&'static str>,
        why: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Sql { text, pg, why, file, line, lite: OnceLock::new(), ran: AtomicU8::new(0) }
    }

    /// The text as written, for SQLite of a pair.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The text an engine gets.
    pub fn for_engine(&self, e: Engine) -> &str {
        match e {
            Engine::Sqlite => self.lite.get_or_init(|| to_question_marks(self.text)),
            Engine::Postgres => self.pg.unwrap_or(self.text),
        }
    }

    /// Whether the engines get different texts.
    pub fn is_pair(&self) -> bool {
        self.pg.is_some()
    }

    /// Whether the order of the answer is defined.
    pub(crate) fn ordered(&self) -> bool {
        let t = self.text.to_ascii_lowercase();
        t.contains("order by") || t.contains("limit 1")
    }

    pub(crate) fn mark(&self, e: Engine) {
        let bit = if e == Engine::Sqlite { 1 } else { 2 };
        if self.ran.load(Ordering::Relaxed) & bit == 0 {
            self.ran.fetch_or(bit, Ordering::Relaxed);
            #[cfg(any(test, feature = "testing"))]
            crate::testing::note_statement(self, e);
        }
    }

    /// Whether the statement names the tenant, or says why it need not: `@reference` (the same for everybody) or
    /// `@cross_tenant` (a stated reason) in a comment.
    pub fn obeys_tenant_rule(&self) -> bool {
        [Some(self.text), self.pg].into_iter().flatten().all(|t| {
            t.contains("@reference") || t.contains("@cross_tenant") || words(t).any(|w| w == "tenant")
        })
    }
}

fn words(t: &str) -> impl Iterator<Item = &str> {
    t.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// A registered statement: `const GET: &Sql = sql!("select name from shelter where tenant = $1 and id = $2");`.
#[macro_export]
macro_rules! sql {
    ($text:expr) => {{
        #[$crate::linkme::distributed_slice($crate::REGISTRY)]
        #[linkme(crate = $crate::linkme)]
        #[expect(unsafe_code, reason = "the registry is a section the linker joins; nothing unsafe runs")]
        static STATEMENT: $crate::Sql = $crate::Sql::new($text, None, "", file!(), line!());
        &STATEMENT
    }};
}

/// A statement whose text must differ between the engines, with the reason. Counted and listed by a test.
#[macro_export]
macro_rules! sql_pair {
    (why: $why:literal, sqlite: $lite:expr, postgres: $pg:expr $(,)?) => {{
        #[$crate::linkme::distributed_slice($crate::REGISTRY)]
        #[linkme(crate = $crate::linkme)]
        #[expect(unsafe_code, reason = "the registry is a section the linker joins; nothing unsafe runs")]
        static STATEMENT: $crate::Sql = $crate::Sql::new($lite, Some($pg), $why, file!(), line!());
        &STATEMENT
    }};
}

/// Rewrites `$N` to `?N` outside string literals, quoted identifiers and comments: SQLite numbers `$N` by first
/// appearance, so `select $2, $1` would swap its arguments.
pub(crate) fn to_question_marks(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut it = sql.char_indices().peekable();
    while let Some((_, c)) = it.next() {
        out.push(c);
        let until = match c {
            '\'' | '"' | '`' => Some(c),
            '-' if matches!(it.peek(), Some((_, '-'))) => Some('\n'),
            '/' if matches!(it.peek(), Some((_, '*'))) => Some('/'),
            _ => None,
        };
        match until {
            Some('/') => {
                let mut prev = ' ';
                for (_, d) in it.by_ref() {
                    out.push(d);
                    if prev == '*' && d == '/' {
                        break;
                    }
                    prev = d;
                }
            }
            Some(end) => {
                for (_, d) in it.by_ref() {
                    out.push(d);
                    if d == end {
                        break;
                    }
                }
            }
            None if c == '$' && matches!(it.peek(), Some((_, d)) if d.is_ascii_digit()) => {
                out.pop();
                out.push('?');
            }
            None => {}
        }
    }
    out
}

/// A statement assembled at run time from static parts and bound values; the parts can only be literals, so no
/// input can become SQL.
#[derive(Debug)]
pub struct SqlBuilder<'a> {
    text: String,
    values: Vec<Val<'a>>,
}

impl<'a> SqlBuilder<'a> {
    /// Starts with a literal.
    pub fn new(text: &'static str) -> Self {
        SqlBuilder { text: text.to_owned(), values: Vec::new() }
    }

    /// Appends a literal.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a placeholder and binds its value.
    pub fn bind(&mut self, v: impl Into<Val<'a>>) -> &mut Self {
        self.values.push(v.into());
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }

    /// Appends `(…, …)` with every value bound; `(null)` when there is none, which matches nothing.
    pub fn bind_list<V: Into<Val<'a>>>(&mut self, vs: impl IntoIterator<Item = V>) -> &mut Self {
        self.text.push('(');
        let mut first = true;
        for v in vs {
            if !first {
                self.text.push(',');
            }
            first = false;
            self.bind(v);
        }
        if first {
            self.text.push_str("null");
        }
        self.text.push(')');
        self
    }

    pub(crate) fn parts(&self, e: Engine) -> (String, &[Val<'a>]) {
        let text = match e {
            Engine::Sqlite => to_question_marks(&self.text),
            Engine::Postgres => self.text.clone(),
        };
        (text, &self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn placeholders_outside_literals_only() {
        assert_eq!(
            to_question_marks("select $2, $1, '$3' -- $4\n, \"$5\" /* $6 */ , $7"),
            "select ?2, ?1, '$3' -- $4\n, \"$5\" /* $6 */ , ?7"
        );
        assert_eq!(to_question_marks("select doc -> '$.a', a - $1"), "select doc -> '$.a', a - ?1");
        assert_eq!(to_question_marks("select 'it''s $1', $2"), "select 'it''s $1', ?2");
    }

    #[test]
    fn builder_numbers_in_order() {
        let mut b = SqlBuilder::new("select 1 where a = ");
        b.bind(1i64).push(" and b in ").bind_list(["x", "y"]).push(" and c in ").bind_list(Vec::<i64>::new());
        assert_eq!(b.parts(Engine::Postgres).0, "select 1 where a = $1 and b in ($2,$3) and c in (null)");
        assert_eq!(b.parts(Engine::Sqlite).0, "select 1 where a = ?1 and b in (?2,?3) and c in (null)");
    }

    proptest! {
        #[test]
        fn rewriting_never_panics_and_keeps_length(s in ".{0,80}") {
            prop_assert_eq!(to_question_marks(&s).chars().count(), s.chars().count());
        }
    }
}
