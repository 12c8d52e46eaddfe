//! Values going in ([`Val`], [`params!`](crate::params)) and coming out ([`Row`], [`FromCol`], [`FromRow`]).
//!
//! Columns are decoded by the type the *caller* asks for, because an expression has no declared type on SQLite.

use std::borrow::Cow;

use kenroku_types::{Id, JapaneseDate, MuniCode, Tenant, Timestamp, Yen};
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::error::{Error, Result};

/// One bound value. Text and bytes may be borrowed from the caller.
#[derive(Clone, Debug, PartialEq)]
pub enum Val<'a> {
    /// SQL NULL of any type.
    Null,
    /// `{bool}`
    Bool(bool),
    /// `{int}`, `{ts}`
    Int(i64),
    /// `{real}`
    Real(f64),
    /// `text`
    Text(Cow<'a, str>),
    /// `{uuid}`
    Uuid(Uuid),
    /// `{json}`, as its text
    Json(Cow<'a, str>),
    /// `{blob}`
    Blob(Cow<'a, [u8]>),
}

/// Binds values in order: `params![tenant, id, "name", now]`.
#[macro_export]
macro_rules! params {
    ($($v:expr),* $(,)?) => { &[$($crate::Val::from($v)),*] };
}

macro_rules! from {
    ($($t:ty => |$v:ident| $e:expr;)+) => {$(
        impl<'a> From<$t> for Val<'a> { fn from($v: $t) -> Val<'a> { $e } }
    )+};
}
from! {
    bool => |v| Val::Bool(v);
    i64 => |v| Val::Int(v);
    i32 => |v| Val::Int(v.into());
    i16 => |v| Val::Int(v.into());
    u8 => |v| Val::Int(v.into());
    u16 => |v| Val::Int(v.into());
    u32 => |v| Val::Int(v.into());
    f64 => |v| Val::Real(v);
    f32 => |v| Val::Real(v.into());
    String => |v| Val::Text(Cow::Owned(v));
    &'a str => |v| Val::Text(Cow::Borrowed(v));
    &'a String => |v| Val::Text(Cow::Borrowed(v.as_str()));
    Cow<'a, str> => |v| Val::Text(v);
    Uuid => |v| Val::Uuid(v);
    Tenant => |v| Val::Uuid(v.uuid());
    Timestamp => |v| Val::Int(v.micros());
    Yen => |v| Val::Int(v.get());
    MuniCode => |v| Val::Text(Cow::Owned(v.code5()));
    JapaneseDate => |v| Val::Text(Cow::Owned(v.to_string()));
    Vec<u8> => |v| Val::Blob(Cow::Owned(v));
    &'a [u8] => |v| Val::Blob(Cow::Borrowed(v));
    &'a Vec<u8> => |v| Val::Blob(Cow::Borrowed(v.as_slice()));
    serde_json::Value => |v| Val::Json(Cow::Owned(v.to_string()));
    &serde_json::Value => |v| Val::Json(Cow::Owned(v.to_string()));
}
impl<'a, const N: usize> From<&'a [u8; N]> for Val<'a> {
    fn from(v: &'a [u8; N]) -> Self {
        Val::Blob(Cow::Borrowed(v.as_slice()))
    }
}
impl<K> From<Id<K>> for Val<'_> {
    fn from(v: Id<K>) -> Self {
        Val::Uuid(v.uuid())
    }
}
impl<'a, T: Into<Val<'a>>> From<Option<T>> for Val<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(Val::Null, Into::into)
    }
}

impl rusqlite::ToSql for Val<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Val::Null => ValueRef::Null,
            Val::Bool(b) => ValueRef::Integer((*b).into()),
            Val::Int(i) => ValueRef::Integer(*i),
            Val::Real(r) => ValueRef::Real(*r),
            Val::Text(t) | Val::Json(t) => ValueRef::Text(t.as_bytes()),
            Val::Uuid(u) => ValueRef::Blob(u.as_bytes()),
            Val::Blob(b) => ValueRef::Blob(b),
        }))
    }
}

type Boxed = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Val<'_> {
    fn to_sql(&self, ty: &Type, out: &mut bytes::BytesMut) -> std::result::Result<IsNull, Boxed> {
        let wrong = || -> Boxed { format!("cannot bind this value as {ty}").into() };
        match self {
            Val::Null => return Ok(IsNull::Yes),
            Val::Bool(b) if *ty == Type::BOOL => return b.to_sql(ty, out),
            Val::Int(i) => match *ty {
                Type::INT8 => return i.to_sql(ty, out),
                Type::INT4 => return i32::try_from(*i)?.to_sql(ty, out),
                Type::INT2 => return i16::try_from(*i)?.to_sql(ty, out),
                Type::FLOAT8 => return (*i as f64).to_sql(ty, out),
                _ => {}
            },
            Val::Real(r) if *ty == Type::FLOAT8 => return r.to_sql(ty, out),
            Val::Text(t) if *ty == Type::TEXT || *ty == Type::VARCHAR || *ty == Type::NAME => {
                return t.as_ref().to_sql(ty, out);
            }
            Val::Uuid(u) if *ty == Type::UUID => return u.to_sql(ty, out),
            Val::Json(t) | Val::Text(t) if *ty == Type::JSONB => {
                out.extend_from_slice(&[1]);
                out.extend_from_slice(t.as_bytes());
                return Ok(IsNull::No);
            }
            Val::Json(t) if *ty == Type::JSON || *ty == Type::TEXT => {
                out.extend_from_slice(t.as_bytes());
                return Ok(IsNull::No);
            }
            Val::Blob(b) if *ty == Type::BYTEA => return b.as_ref().to_sql(ty, out),
            _ => {}
        }
        Err(wrong())
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One row of an answer, borrowed from the engine while it is decoded.
pub struct Row<'r>(pub(crate) RowRef<'r>);

pub(crate) enum RowRef<'r> {
    Lite(&'r rusqlite::Row<'r>),
    Pg(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// The value in column `i`, counted from 0.
    pub fn get<T: FromCol>(&self, i: usize) -> Result<T> {
        match &self.0 {
            RowRef::Lite(r) => {
                let v = r.get_ref(i).map_err(|e| Error::Decode { column: i, what: e.to_string() })?;
                T::from_lite(v).map_err(|what| Error::Decode { column: i, what })
            }
            RowRef::Pg(r) => {
                let raw: Raw<'_> =
                    r.try_get(i).map_err(|e| Error::Decode { column: i, what: e.to_string() })?;
                T::from_pg(raw).map_err(|what| Error::Decode { column: i, what })
            }
        }
    }

    /// Every column in one canonical text, equal on both engines for equal values (test traces).
    pub(crate) fn canonical(&self) -> String {
        let mut out = String::new();
        match &self.0 {
            RowRef::Lite(r) => {
                for i in 0..r.as_ref().column_count() {
                    out.push('|');
                    match r.get_ref(i) {
                        Ok(ValueRef::Null) | Err(_) => out.push('∅'),
                        Ok(ValueRef::Integer(n)) => out.push_str(&n.to_string()),
                        // SQLite does not keep the sign of zero.
                        Ok(ValueRef::Real(x)) => out.push_str(&(x + 0.0).to_string()),
                        Ok(ValueRef::Text(t)) => out.push_str(&canonical_text(&String::from_utf8_lossy(t))),
                        Ok(ValueRef::Blob(b)) => out.push_str(&hex::encode(b)),
                    }
                }
            }
            RowRef::Pg(r) => {
                for i in 0..r.len() {
                    out.push('|');
                    match r.try_get::<_, Raw<'_>>(i) {
                        Ok(Raw { bytes: Some(b), ty }) => out.push_str(&canonical_pg(&ty, b)),
                        _ => out.push('∅'),
                    }
                }
            }
        }
        out
    }
}

/// JSON is compared by value, since the engines keep different white space and key order.
fn canonical_text(s: &str) -> String {
    if s.starts_with(['{', '['])
        && let Ok(v) = serde_json::from_str::<serde_json::Value>(s)
    {
        return v.to_string();
    }
    s.to_owned()
}

fn canonical_pg(ty: &Type, b: &[u8]) -> String {
    let raw = Raw { ty: ty.clone(), bytes: Some(b) };
    match *ty {
        Type::BOOL => bool::from_pg(raw).map(|v| i64::from(v).to_string()),
        Type::INT2 | Type::INT4 | Type::INT8 => i64::from_pg(raw).map(|v| v.to_string()),
        Type::FLOAT8 => f64::from_pg(raw).map(|v| (v + 0.0).to_string()),
        Type::UUID | Type::BYTEA => Ok(hex::encode(b)),
        Type::JSON | Type::JSONB => serde_json::Value::from_pg(raw).map(|v| v.to_string()),
        _ => Ok(canonical_text(&String::from_utf8_lossy(b))),
    }
    .unwrap_or_else(|e| format!("<{e}>"))
}

/// A PostgreSQL value as it came over the wire. Public only because [`FromCol`] names it.
pub struct Raw<'a> {
    pub(crate) ty: Type,
    pub(crate) bytes: Option<&'a [u8]>,
}

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, Boxed> {
        Ok(Raw { ty: ty.clone(), bytes: Some(raw) })
    }
    fn from_sql_null(ty: &Type) -> std::result::Result<Self, Boxed> {
        Ok(Raw { ty: ty.clone(), bytes: None })
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A type a column can be decoded into. Implement it for a newtype by decoding its inner form and checking it.
pub trait FromCol: Sized {
    /// From SQLite; the error names what was found and what was expected.
    fn from_lite(v: ValueRef<'_>) -> std::result::Result<Self, String>;
    /// From PostgreSQL; the error names what was found and what was expected.
    fn from_pg(v: Raw<'_>) -> std::result::Result<Self, String>;
}

fn need<'a>(v: &Raw<'a>) -> std::result::Result<&'a [u8], String> {
    v.bytes.ok_or_else(|| "NULL where a value is needed; ask for Option".to_owned())
}

macro_rules! col {
    ($t:ty, $want:literal, lite: $($p:pat => $e:expr),+; pg: |$ty:ident, $b:ident| $pg:expr) => {
        impl FromCol for $t {
            fn from_lite(v: ValueRef<'_>) -> std::result::Result<Self, String> {
                match v {
                    $($p => $e,)+
                    other => Err(format!("found {}, want {}", other.data_type(), $want)),
                }
            }
            fn from_pg(v: Raw<'_>) -> std::result::Result<Self, String> {
                let $b = need(&v)?;
                let $ty = &v.ty;
                let r: std::result::Result<Self, Boxed> = $pg;
                r.map_err(|e| format!("found {}, want {}: {e}", v.ty, $want))
            }
        }
    };
}

fn mismatch<T>() -> std::result::Result<T, Boxed> {
    Err("other type".into())
}

col!(i64, "an integer", lite: ValueRef::Integer(i) => Ok(i);
pg: |ty, b| match *ty {
    Type::INT8 => i64::from_sql(ty, b),
    Type::INT4 => i32::from_sql(ty, b).map(i64::from),
    Type::INT2 => i16::from_sql(ty, b).map(i64::from),
    _ => mismatch(),
});
col!(bool, "a boolean", lite: ValueRef::Integer(i) => Ok(i != 0);
    pg: |ty, b| if *ty == Type::BOOL { bool::from_sql(ty, b) } else { mismatch() });
col!(f64, "a number", lite: ValueRef::Real(r) => Ok(r), ValueRef::Integer(i) => Ok(i as f64);
pg: |ty, b| match *ty {
    Type::FLOAT8 => f64::from_sql(ty, b),
    Type::INT8 => i64::from_sql(ty, b).map(|i| i as f64),
    _ => mismatch(),
});
col!(String, "text", lite: ValueRef::Text(t) => std::str::from_utf8(t).map(str::to_owned).map_err(|e| e.to_string());
pg: |ty, b| match *ty {
    Type::TEXT | Type::VARCHAR | Type::NAME | Type::JSON => String::from_sql(&Type::TEXT, b),
    Type::JSONB if b.first() == Some(&1) => String::from_sql(&Type::TEXT, &b[1..]),
    _ => mismatch(),
});
col!(Uuid, "a uuid", lite: ValueRef::Blob(b) => Uuid::from_slice(b).map_err(|e| e.to_string());
    pg: |ty, b| if *ty == Type::UUID { Uuid::from_sql(ty, b) } else { mismatch() });
col!(Vec<u8>, "bytes", lite: ValueRef::Blob(b) => Ok(b.to_vec());
    pg: |ty, b| if *ty == Type::BYTEA { Ok(b.to_vec()) } else { mismatch() });
col!(serde_json::Value, "JSON", lite: ValueRef::Text(t) => serde_json::from_slice(t).map_err(|e| e.to_string());
pg: |ty, b| match *ty {
    Type::JSON | Type::TEXT => serde_json::from_slice(b).map_err(Into::into),
    Type::JSONB if b.first() == Some(&1) => serde_json::from_slice(&b[1..]).map_err(Into::into),
    _ => mismatch(),
});

impl<T: FromCol> FromCol for Option<T> {
    fn from_lite(v: ValueRef<'_>) -> std::result::Result<Self, String> {
        if matches!(v, ValueRef::Null) { Ok(None) } else { T::from_lite(v).map(Some) }
    }
    fn from_pg(v: Raw<'_>) -> std::result::Result<Self, String> {
        if v.bytes.is_none() { Ok(None) } else { T::from_pg(v).map(Some) }
    }
}

/// Decodes through another type: `via!(Timestamp, i64, |us| Ok(Timestamp::from_micros(us)))`.
#[macro_export]
macro_rules! via {
    ($t:ty, $inner:ty, |$v:ident| $e:expr) => {
        impl $crate::FromCol for $t {
            fn from_lite(v: $crate::rusqlite_value::ValueRef<'_>) -> std::result::Result<Self, String> {
                let $v = <$inner as $crate::FromCol>::from_lite(v)?;
                $e
            }
            fn from_pg(v: $crate::Raw<'_>) -> std::result::Result<Self, String> {
                let $v = <$inner as $crate::FromCol>::from_pg(v)?;
                $e
            }
        }
    };
}
/// Declares an enum that is stored as text, and written so on the wire.
#[macro_export]
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }
        impl $name {
            /// Every one.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];
            /// As it is stored.
            pub const fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)+ }
            }
            /// From how it is stored.
            pub fn from_code(code: &str) -> Option<Self> {
                $name::ALL.iter().copied().find(|v| v.code() == code)
            }
        }
        impl From<$name> for $crate::Val<'_> {
            fn from(v: $name) -> Self { v.code().into() }
        }
        $crate::via!($name, String, |v| $name::from_code(&v).ok_or_else(|| format!("unknown code {v}")));
    };
}

via!(i32, i64, |v| i32::try_from(v).map_err(|e| e.to_string()));
via!(u8, i64, |v| u8::try_from(v).map_err(|e| e.to_string()));
via!(u16, i64, |v| u16::try_from(v).map_err(|e| e.to_string()));
via!(u32, i64, |v| u32::try_from(v).map_err(|e| e.to_string()));
via!(Timestamp, i64, |v| Ok(Timestamp::from_micros(v)));
via!(Yen, i64, |v| Ok(Yen::new(v)));
via!(Tenant, Uuid, |v| Ok(Tenant::from_uuid(v)));
via!(MuniCode, String, |v| v.parse().map_err(|e: kenroku_types::muni::MuniCodeError| e.to_string()));
via!(JapaneseDate, String, |v| v.parse().map_err(|e: kenroku_types::date::DateError| e.to_string()));

impl<K> FromCol for Id<K> {
    fn from_lite(v: ValueRef<'_>) -> std::result::Result<Self, String> {
        Uuid::from_lite(v).map(Id::from_uuid)
    }
    fn from_pg(v: Raw<'_>) -> std::result::Result<Self, String> {
        Uuid::from_pg(v).map(Id::from_uuid)
    }
}

/// A type a whole row can be decoded into, by position.
pub trait FromRow: Sized {
    /// Decodes; errors name the column.
    fn from_row(r: &Row<'_>) -> Result<Self>;
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),+))+) => {$(
        impl<$($t: FromCol),+> FromRow for ($($t,)+) {
            fn from_row(r: &Row<'_>) -> Result<Self> { Ok(($(r.get::<$t>($i)?,)+)) }
        }
    )+};
}
tuples! {
    (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5) (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7) (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9) (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}

/// Implements [`FromRow`] for a struct by listing its fields in column order: `row!(Vehicle { id, tenant, name });`.
#[macro_export]
macro_rules! row {
    ($t:ident { $($f:ident),+ $(,)? }) => {
        impl $crate::FromRow for $t {
            fn from_row(r: &$crate::Row<'_>) -> $crate::Result<Self> {
                let mut i = 0usize;
                $(let $f = r.get(i)?; i += 1;)+
                let _ = i;
                Ok($t { $($f),+ })
            }
        }
    };
}
