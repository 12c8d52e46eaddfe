//! The chain of revisions: each is JSON with the hash of the one before it, after the GovStack Consent building block
//! (Revision: `serializedSnapshot`, `serializedHash`, `predecessorHash`), with SHA-256 instead of its SHA-1.

use kenroku_store::Tx;
use kenroku_types::{Tenant, Timestamp};
use ring::digest::{SHA256, digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{ConsentError, Result};
use crate::sql::{self, RevisionRow};

/// What the hash is of.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot<T> {
    schema_name: String,
    object_id: Uuid,
    number: i64,
    predecessor_hash: String,
    timestamp: Timestamp,
    object_data: T,
}

/// Where a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The number of the first revision that is not as it was.
    pub number: i64,
    /// What is wrong with it.
    pub what: &'static str,
}

fn sha256(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Appends a revision; returns its hash. `number` is one more than the last.
pub(crate) async fn append<T: Serialize>(
    tx: &mut Tx,
    tenant: Tenant,
    kind: &'static str,
    object: Uuid,
    number: i64,
    data: &T,
    at: Timestamp,
) -> Result<Vec<u8>> {
    let before = match number {
        1 => String::new(),
        n => {
            let last = sql::revision(tx, tenant, object, n - 1).await?.ok_or(ConsentError::Stale)?;
            hex::encode(last.hash)
        }
    };
    let snapshot = serde_json::to_string(&Snapshot {
        schema_name: kind.to_owned(),
        object_id: object,
        number,
        predecessor_hash: before,
        timestamp: at,
        object_data: data,
    })?;
    let hash = sha256(&snapshot);
    let row = RevisionRow { number, kind: kind.to_owned(), snapshot, hash: hash.clone(), at };
    sql::add_revision(tx, tenant, object, &row).await?;
    Ok(hash)
}

/// What a revision says.
pub(crate) fn read<T: DeserializeOwned>(row: &RevisionRow) -> Result<T> {
    Ok(serde_json::from_str::<Snapshot<T>>(&row.snapshot)?.object_data)
}

/// Checks a whole chain: numbers without gaps, every hash right, each naming the one before. `expected` is how many
/// the object's head says there are.
pub fn verify(rows: &[RevisionRow], expected: i64) -> std::result::Result<(), Broken> {
    let mut before = String::new();
    for (row, n) in rows.iter().zip(1..) {
        let broken = |what| Err(Broken { number: n, what });
        if row.number != n {
            return broken("it is missing");
        }
        if sha256(&row.snapshot) != row.hash {
            return broken("its text or its hash was changed");
        }
        match serde_json::from_str::<Snapshot<serde_json::Value>>(&row.snapshot) {
            Ok(s) if s.number == n && s.predecessor_hash == before && s.timestamp == row.at => {}
            _ => return broken("it does not follow the one before"),
        }
        before = hex::encode(&row.hash);
    }
    match rows.len() as i64 {
        n if n == expected => Ok(()),
        n => Err(Broken { number: n + 1, what: "it is missing" }),
    }
}
