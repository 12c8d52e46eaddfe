//! Books: registers that are only added to. Each entry is JSON with the hash of the one before it (SHA-256), so that an
//! edit, a removal, another order or a missing entry shows at its number.

use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::{Tenant, Timestamp};
use ring::digest::{SHA256, digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Receipts of erasures.
pub const ERASURES: &str = "erasures";

/// An entry as it is stored.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number in the book, from 1.
    pub number: i64,
    /// What it is about.
    pub item: String,
    /// The JSON of which `hash` is the hash.
    pub snapshot: String,
    /// SHA-256 of the snapshot.
    pub hash: Vec<u8>,
    /// When it was added.
    pub at: Timestamp,
}
row!(Entry { number, item, snapshot, hash, at });

impl Entry {
    /// What it says.
    ///
    /// # Errors
    /// When it was written in another form.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str::<Snapshot<T>>(&self.snapshot)?.data)
    }

    /// Its hash as people compare it.
    pub fn hash_text(&self) -> String {
        hex::encode(&self.hash)
    }
}

/// What the hash is of.
#[derive(Serialize, Deserialize)]
struct Snapshot<T> {
    book: String,
    number: i64,
    item: String,
    at: Timestamp,
    /// Hash of the entry before, in hex; empty for the first.
    before: String,
    data: T,
}

/// Where a book does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The number of the first entry that is not as it was.
    pub number: i64,
    /// What is wrong with it.
    pub what: &'static str,
}

const ADD: &Sql = sql!(
    "insert into privacy_entry (tenant, book, number, item, snapshot, hash, at) values ($1, $2, $3, $4, $5, $6, $7)"
);
const LAST: &Sql = sql!(
    "select number, item, snapshot, hash, at from privacy_entry where tenant = $1 and book = $2
     order by number desc limit 1"
);
const ALL: &Sql = sql!(
    "select number, item, snapshot, hash, at from privacy_entry where tenant = $1 and book = $2 order by number"
);
const ONE: &Sql = sql!(
    "select number, item, snapshot, hash, at from privacy_entry where tenant = $1 and book = $2 and number = $3"
);

/// Adds an entry; returns its number. Two at once: the second is refused by the key and tries again.
///
/// # Errors
/// [`PrivacyError::Stale`](crate::PrivacyError::Stale) when somebody else added at the same moment.
pub async fn append<T: Serialize>(
    tx: &mut Tx,
    tenant: Tenant,
    book: &str,
    item: &str,
    data: &T,
    at: Timestamp,
) -> Result<i64> {
    let last: Option<Entry> = tx.opt(LAST, params![tenant, book]).await?;
    let (number, before) = last.map_or((1, String::new()), |e| (e.number + 1, e.hash_text()));
    let snapshot = Snapshot { book: book.to_owned(), number, item: item.to_owned(), at, before, data };
    let text = serde_json::to_string(&snapshot)?;
    let hash = sha256(&text);
    tx.execute(ADD, params![tenant, book, number, item, text, hash, at]).await?;
    Ok(number)
}

/// All entries of a book in their order.
///
/// # Errors
/// When the store fails.
pub async fn all(tx: &mut Tx, tenant: Tenant, book: &str) -> Result<Vec<Entry>> {
    Ok(tx.all(ALL, params![tenant, book]).await?)
}

/// One entry.
///
/// # Errors
/// When the store fails.
pub async fn one(tx: &mut Tx, tenant: Tenant, book: &str, number: i64) -> Result<Option<Entry>> {
    Ok(tx.opt(ONE, params![tenant, book, number]).await?)
}

fn sha256(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Checks a whole book: numbers without gaps, every hash right, each naming the one before. What was cut off at the end
/// shows only to whoever knows a later number or hash: the receipts that people hold.
pub fn verify(entries: &[Entry]) -> std::result::Result<(), Broken> {
    let mut before = String::new();
    for (e, n) in entries.iter().zip(1..) {
        let broken = |what| Err(Broken { number: n, what });
        if e.number != n {
            return broken("it is missing");
        }
        if sha256(&e.snapshot) != e.hash {
            return broken("its text or its hash was changed");
        }
        match serde_json::from_str::<Snapshot<serde_json::Value>>(&e.snapshot) {
            Ok(s) if s.number == n && s.before == before && s.at == e.at && s.item == e.item => {}
            _ => return broken("it does not follow the one before"),
        }
        before = e.hash_text();
    }
    Ok(())
}
