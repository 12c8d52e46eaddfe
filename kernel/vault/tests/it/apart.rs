//! Tenant isolation of every statement of a module, by the statements themselves: each select, update and delete is run
//! with a row's own values and finds it, and with another tenant's id and finds nothing. A new statement is in the list
//! because it is registered; one that finds no row here has to be given one, or a stated reason.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kenroku_store::{Db, FromCol, FromRow, ModuleMigrations, REGISTRY, Row, Sql, SqlBuilder, Val};
use kenroku_types::Tenant;
use uuid::Uuid;

/// Column names and types of each table, from the migrations.
type Tables = BTreeMap<String, Vec<(String, String)>>;

fn tables(of: &[ModuleMigrations]) -> Tables {
    let mut out = Tables::new();
    for step in of.iter().flat_map(|m| m.steps) {
        // A comment may hold a semicolon.
        let lines: Vec<&str> = step.text.lines().map(str::trim).filter(|l| !l.starts_with("--")).collect();
        for text in lines.join(" ").split(';') {
            let words: Vec<&str> = text.split_whitespace().collect();
            match words.as_slice() {
                ["create", "table", name, ..] => {
                    let inside = text.split_once('(').map_or("", |t| t.1);
                    let columns = inside.split(',').filter_map(|part| {
                        let mut w = part.split_whitespace();
                        Some((w.next()?.to_owned(), w.next()?.to_owned()))
                    });
                    out.insert((*name).to_owned(), columns.take_while(|c| c.0 != "primary").collect());
                }
                ["alter", "table", name, "add", "column", column, kind, ..] => {
                    let columns = out.entry((*name).to_owned()).or_default();
                    columns.push(((*column).to_owned(), (*kind).to_owned()));
                }
                _ => {}
            }
        }
    }
    out
}

/// The types of the columns that are being read.
static KINDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Any(Vec<Val<'static>>);
impl FromRow for Any {
    fn from_row(r: &Row<'_>) -> kenroku_store::Result<Self> {
        fn get<T: FromCol + Into<Val<'static>>>(
            r: &Row<'_>,
            i: usize,
        ) -> kenroku_store::Result<Val<'static>> {
            Ok(r.get::<Option<T>>(i)?.map_or(Val::Null, Into::into))
        }
        let kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let values = kinds.iter().enumerate().map(|(i, kind)| match kind.as_str() {
            "{uuid}" => get::<Uuid>(r, i),
            "{bool}" => get::<bool>(r, i),
            "{blob}" => get::<Vec<u8>>(r, i),
            "{int}" | "{ts}" => get::<i64>(r, i),
            _ => get::<String>(r, i),
        });
        Ok(Any(values.collect::<kenroku_store::Result<_>>()?))
    }
}

/// A parameter: the table's column it is compared with or written to, and how.
struct Param {
    column: String,
    operator: String,
}

/// `$1`, `$2` … with the column and the operator before each; of several places, one that compares.
fn params(text: &str) -> Vec<Option<Param>> {
    let mut out = Vec::new();
    for n in 1.. {
        let (mark, mut places) = (format!("${n}"), Vec::new());
        for (at, _) in text.match_indices(&mark) {
            if text[at + mark.len()..].starts_with(|c: char| c.is_ascii_digit()) {
                continue;
            }
            let before = text[..at].trim_end();
            let plain = before.trim_end_matches(['=', '<', '>']);
            let column = plain.trim_end().rsplit(|c: char| !(c.is_alphanumeric() || "_.".contains(c))).next();
            let operator = before[plain.len()..].to_owned();
            places.push(column.filter(|c| !c.is_empty()).map(|c| Param { column: c.to_owned(), operator }));
        }
        if places.is_empty() {
            return out;
        }
        let compares = |p: &Option<Param>| p.as_ref().is_some_and(|p| p.operator.contains(['<', '>']));
        let best = places.iter().position(compares).unwrap_or(0);
        out.push(places.swap_remove(best));
    }
    out
}

/// The table that a statement reads or changes first.
fn table(text: &str) -> Option<&str> {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == '(').collect();
    let after = |w: &str| words.iter().position(|x| *x == w).and_then(|i| words.get(i + 1)).copied();
    if text.trim_start().starts_with("update") { after("update") } else { after("from") }
}

async fn found(db: &Db, s: &'static Sql, values: &[Val<'static>]) -> Result<u64, String> {
    let mut tx = db.begin().await.map_err(|e| e.to_string())?;
    let one_number = ["select count(", "select max(", "select coalesce(", "select (select count("]
        .iter()
        .any(|a| s.text().starts_with(a));
    let n = match one_number {
        true => tx.one::<(Option<i64>,)>(s, values).await.map(|r| r.0.unwrap_or(0) as u64),
        false => tx.execute(s, values).await,
    };
    let _ = tx.rollback().await;
    n.map_err(|e| e.to_string())
}

/// Runs every statement of the files that begin with `files`; what is wrong, one line each. `excused`: parts of
/// statements, or files, that find no row here, with the reason.
pub async fn complaints(
    db: &Db,
    (own, other): (Tenant, Tenant),
    files: &str,
    migrations: &[ModuleMigrations],
    excused: &[(&str, &str)],
) -> Vec<String> {
    let tables = tables(migrations);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for s in REGISTRY.iter().filter(|s| s.file.contains(files)) {
        let text = s.text();
        let marked = text.contains("@reference") || text.contains("@cross_tenant");
        let excuse = |e: &&(&str, &str)| text.contains(e.0) || s.file.ends_with(e.0);
        if marked
            || text.starts_with("insert")
            || excused.iter().find(excuse).is_some_and(|e| !e.1.is_empty())
        {
            continue;
        }
        seen += 1;
        let place =
            format!("{}:{} {}", s.file, s.line, text.split_whitespace().collect::<Vec<_>>().join(" "));
        let Some(columns) = table(text).and_then(|t| tables.get(t).map(|c| (t, c))) else {
            wrong.push(format!("of which table? {place}"));
            continue;
        };
        let names: Vec<&str> = columns.1.iter().map(|c| c.0.as_str()).collect();
        *KINDS.lock().unwrap_or_else(PoisonError::into_inner) =
            columns.1.iter().map(|c| c.1.clone()).collect();
        let all = format!("select {} from {} where tenant = ", names.join(", "), columns.0);
        let mut rows = SqlBuilder::new(Box::leak(all.into_boxed_str()));
        rows.bind(own);
        let rows: Vec<Any> = db.read().await.unwrap().all_dyn(&rows).await.unwrap();
        let (mut own_found, mut error) = (false, String::new());
        for row in rows.iter().take(40) {
            let with = |tenant: Tenant| -> Vec<Val<'static>> {
                let value = |p: &Option<Param>| {
                    let Some(p) = p else { return Val::Int(1_000) };
                    let name = p.column.rsplit('.').next().unwrap_or_default();
                    if name == "tenant" {
                        return Val::from(tenant);
                    }
                    let held = names.iter().position(|c| *c == name).map(|i| row.0[i].clone());
                    match (p.operator.as_str(), held) {
                        ("<" | "<=", Some(Val::Int(_) | Val::Null)) => Val::Int(i64::MAX),
                        (">" | ">=", Some(Val::Int(_) | Val::Null)) => Val::Int(0),
                        (">", Some(Val::Uuid(_))) => Val::Uuid(Uuid::nil()),
                        (_, Some(v)) => v,
                        (_, None) => Val::Int(1_000),
                    }
                };
                params(text).iter().map(value).collect()
            };
            match found(db, s, &with(own)).await {
                Ok(0) => continue,
                Ok(_) => {}
                // The row is there: another rule protects it.
                Err(e) if e.contains("breaks a rule of the table") => {}
                Err(e) => {
                    error = e;
                    continue;
                }
            }
            own_found = true;
            match found(db, s, &with(other)).await {
                Ok(0) => {}
                Ok(n) => wrong.push(format!("finds {n} of another tenant: {place}")),
                Err(e) => wrong.push(format!("{e}: {place}")),
            }
            break;
        }
        if !own_found {
            wrong.push(format!("finds no row of its own ({} rows, {error}): {place}", rows.len()));
        }
    }
    assert!(seen > 10, "only {seen} statements of {files} are registered");
    wrong
}
