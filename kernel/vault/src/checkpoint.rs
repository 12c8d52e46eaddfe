//! Checkpoints: a batch of log rows is sealed by the signed root of the tenant's Merkle tree, chained to the one
//! before, and handed to a witness outside.
//!
//! The body that is signed is plain text, so that a person can read and compare it:
//! ```text
//! kenroku-log-checkpoint/1
//! tenant 00000000-0000-0000-0000-000000017211
//! number 3
//! size 1200
//! root 9f86d0…
//! previous 60303a…      hash of the body before; 64 zeros for the first
//! rows 2c26b4…          hash of the row marks given to the witness with it
//! at 2026-01-14T00:30:00Z
//! key d75a98…           the tenant's public Ed25519 key (RFC 8032)
//! ```

use kenroku_store::{Db, params};
use kenroku_types::{Tenant, Timestamp};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::Vault;
use crate::error::{Error, Result};
use crate::keys::SIGNING;
use crate::merkle::{self, Frontier, Hash};
use crate::sql::{self, CheckpointRow};
use crate::witness::{Testimony, Witness};

const FORMAT: &str = "kenroku-log-checkpoint/1";
/// Rows that one checkpoint seals at most.
const BATCH: i64 = 20_000;
/// Checkpoints that a witness is handed at once.
const AT_ONCE: i64 = 100;
/// Bytes of each row's hash that the witness gets. They find the row; the signed root is what proves.
pub(crate) const MARK: usize = 8;

/// The first bytes of a row's hash, as a witness keeps them.
pub type RowMark = [u8; MARK];

pub(crate) fn mark(h: &Hash) -> RowMark {
    let mut m = [0; MARK];
    m.copy_from_slice(&h[..MARK]);
    m
}

/// What a checkpoint says. Its `body` is the signed text it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose log.
    pub tenant: Tenant,
    /// 1, 2, 3 …
    pub number: u64,
    /// Rows that it covers, from the first.
    pub size: u64,
    /// Root of the Merkle tree over them (RFC 9162 §2.1.1).
    pub root: Hash,
    /// SHA-256 of the body before.
    pub previous: Hash,
    /// SHA-256 of the marks of the rows that came with it.
    pub rows: Hash,
    /// When it was made.
    pub at: Timestamp,
    /// The public key that signed it.
    pub key: [u8; 32],
}

impl Checkpoint {
    /// The text that is signed.
    pub fn body(&self) -> String {
        format!(
            "{FORMAT}\ntenant {}\nnumber {}\nsize {}\nroot {}\nprevious {}\nrows {}\nat {}\nkey {}\n",
            self.tenant,
            self.number,
            self.size,
            hex::encode(self.root),
            hex::encode(self.previous),
            hex::encode(self.rows),
            self.at,
            hex::encode(self.key)
        )
    }

    /// Reads a body; `None` when it is not exactly one.
    pub fn parse(body: &str) -> Option<Self> {
        let mut lines = body.lines();
        if lines.next()? != FORMAT {
            return None;
        }
        let mut next = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let bytes = |t: &str| -> Option<[u8; 32]> { hex::decode(t).ok()?.try_into().ok() };
        let c = Checkpoint {
            tenant: next("tenant")?.parse().ok()?,
            number: next("number")?.parse().ok()?,
            size: next("size")?.parse().ok()?,
            root: bytes(next("root")?)?,
            previous: bytes(next("previous")?)?,
            rows: bytes(next("rows")?)?,
            at: next("at")?.parse().ok()?,
            key: bytes(next("key")?)?,
        };
        (c.body() == body).then_some(c)
    }

    /// What the next one names as its previous.
    pub fn hash(&self) -> Hash {
        merkle::sha256(self.body().as_bytes())
    }
}

/// A checkpoint with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// Ed25519 over the body.
    pub signature: Vec<u8>,
}

impl SignedCheckpoint {
    /// Whether the key in the checkpoint signed it. Whether that key is the right one, the first checkpoint that a
    /// witness holds decides.
    pub fn verify(&self) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.checkpoint.key)
            .verify(self.checkpoint.body().as_bytes(), &self.signature)
            .is_ok()
    }
}

impl CheckpointRow {
    pub(crate) fn signed(&self) -> Option<SignedCheckpoint> {
        let checkpoint = Checkpoint::parse(&self.body)?;
        (checkpoint.number as i64 == self.number && checkpoint.size as i64 == self.size)
            .then(|| SignedCheckpoint { checkpoint, signature: self.signature.clone() })
    }
}

/// What [`Vault::seal_batch`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealReport {
    /// Rows under a checkpoint for the first time.
    pub rows: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Checkpoints that the witness confirmed.
    pub witnessed: u64,
    /// There are more rows; call again at once.
    pub more: bool,
}

/// Leaf hashes of the rows `after < seq <= upto`, which must all be there.
async fn leaves(db: &Db, tenant: Tenant, after: i64, upto: i64) -> Result<Vec<Hash>> {
    let rows: Vec<(Vec<u8>,)> = db.read().await?.all(sql::LOG_HASHES, params![tenant, after, upto]).await?;
    let leaves: Option<Vec<Hash>> = rows.into_iter().map(|r| r.0.try_into().ok()).collect();
    leaves.filter(|l| l.len() as i64 == upto - after).ok_or_else(|| {
        Error::Witness(format!(
            "rows of the access log of {tenant} are missing after {after}; run verify-log"
        ))
    })
}

impl Vault {
    /// Seals the log rows that are not yet under a checkpoint, for every tenant, and hands new checkpoints to the
    /// witness. For a job that runs every minute: rows are safe from unnoticed changes once they are witnessed.
    /// What a witness did not confirm is handed to it again; with several witnesses, call it for each: a new one gets
    /// everything from the first checkpoint on.
    ///
    /// # Errors
    /// [`Error::Witness`] when rows are missing or the witness does not answer; the other tenants are served first.
    pub async fn seal_batch(&self, witness: &dyn Witness) -> Result<SealReport> {
        let mut report = SealReport::default();
        let mut failed = None;
        let tenants: Vec<(Tenant, i64)> = self.0.log.db.read().await?.all(sql::HEADS, &[]).await?;
        for (tenant, last) in tenants {
            if let Err(e) = self.seal_tenant(tenant, last, witness, &mut report).await {
                tracing::error!(%tenant, error = %e, "the access log could not be sealed");
                failed.get_or_insert(e);
            }
        }
        self.scrub_if_due().await;
        failed.map_or(Ok(report), Err)
    }

    async fn seal_tenant(
        &self,
        tenant: Tenant,
        last: i64,
        witness: &dyn Witness,
        report: &mut SealReport,
    ) -> Result<()> {
        let db = &self.0.log.db;
        let newest: Option<CheckpointRow> =
            db.read().await?.opt(sql::LAST_CHECKPOINT, params![tenant]).await?;
        let size = newest.as_ref().map_or(0, |c| c.size);
        if last > size {
            let upto = last.min(size + BATCH);
            let made = self.make_checkpoint(tenant, newest.as_ref(), upto).await?;
            report.checkpoints += u64::from(made);
            report.rows += if made { (upto - size) as u64 } else { 0 };
            report.more |= upto < last;
        }
        self.hand_over(tenant, witness, report).await
    }

    /// Hands a witness what it does not hold yet, and once more what no witness has confirmed.
    async fn hand_over(&self, tenant: Tenant, witness: &dyn Witness, report: &mut SealReport) -> Result<()> {
        let db = &self.0.log.db;
        let held = witness.last(tenant).await?.unwrap_or(0) as i64;
        let first: Option<(i64,)> = db.read().await?.opt(sql::FIRST_UNWITNESSED, params![tenant]).await?;
        let after = first.map_or(held, |f| held.min(f.0 - 1));
        let open: Vec<CheckpointRow> =
            db.read().await?.all(sql::CHECKPOINTS, params![tenant, after, AT_ONCE]).await?;
        report.more |= open.len() as i64 == AT_ONCE;
        for row in open {
            let damaged = || Error::Witness(format!("checkpoint {} of {tenant} is damaged", row.number));
            let signed = row.signed().ok_or_else(damaged)?;
            let before = match row.number {
                1 => 0,
                n => {
                    let r: Option<(i64,)> =
                        db.read().await?.opt(sql::CHECKPOINT_SIZE, params![tenant, n - 1]).await?;
                    r.ok_or_else(damaged)?.0
                }
            };
            let marks = leaves(db, tenant, before, row.size).await?.iter().map(mark).collect();
            witness.publish(&Testimony { signed, marks }).await?;
            let mut tx = db.begin().await?;
            tx.execute(sql::WITNESSED, params![tenant, row.number, self.env().now()]).await?;
            tx.commit().await?;
            report.witnessed += 1;
        }
        Ok(())
    }

    /// `false` when another process made the checkpoint of that number meanwhile.
    async fn make_checkpoint(
        &self,
        tenant: Tenant,
        newest: Option<&CheckpointRow>,
        upto: i64,
    ) -> Result<bool> {
        let damaged =
            || Error::Witness(format!("the newest checkpoint of {tenant} is damaged; run verify-log"));
        let (number, size, previous, mut tree) = match newest {
            None => (0, 0, [0; 32], Frontier::default()),
            Some(c) => {
                let signed = c.signed().ok_or_else(damaged)?;
                let tree = Frontier::from_bytes(&c.frontier).ok_or_else(damaged)?;
                if tree.root() != signed.checkpoint.root {
                    return Err(damaged());
                }
                (c.number, c.size, signed.checkpoint.hash(), tree)
            }
        };
        let added = leaves(&self.0.log.db, tenant, size, upto).await?;
        let mut marks = Vec::with_capacity(added.len() * MARK);
        for l in &added {
            tree.push(*l);
            marks.extend_from_slice(&mark(l));
        }
        let own = self.keys().own(tenant, SIGNING).await?;
        let (_, seed) = own.newest(SIGNING).ok_or(Error::Crypto("signing key"))?;
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.bytes()).map_err(|_| Error::Crypto("signing key"))?;
        let mut key = [0; 32];
        key.copy_from_slice(pair.public_key().as_ref());
        let checkpoint = Checkpoint {
            tenant,
            number: number as u64 + 1,
            size: tree.size(),
            root: tree.root(),
            previous,
            rows: merkle::sha256(&marks),
            at: self.env().now(),
            key,
        };
        let body = checkpoint.body();
        let signature = pair.sign(body.as_bytes());
        let mut tx = self.0.log.db.begin().await?;
        let row = params![tenant, number + 1, upto, body, signature.as_ref(), tree.to_bytes()];
        match tx.execute(sql::ADD_CHECKPOINT, row).await {
            Ok(_) => tx.commit().await.map(|()| true).map_err(Error::from),
            Err(kenroku_store::Error::Unique(_)) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// The audit path of one row under a checkpoint's size (RFC 9162 §2.1.3), with the row's leaf hash: with the
    /// signed checkpoint it proves that the row was in the log. Reads as many hashes as the log has rows.
    ///
    /// # Errors
    /// [`Error::Witness`] when there are not so many rows.
    pub async fn prove_row(&self, tenant: Tenant, seq: u64, size: u64) -> Result<(Hash, Vec<Hash>)> {
        let all = leaves(&self.0.log.db, tenant, 0, size as i64).await?;
        let index = usize::try_from(seq).ok().and_then(|s| s.checked_sub(1));
        let found = index.and_then(|i| Some((*all.get(i)?, merkle::inclusion_proof(&all, i)?)));
        found.ok_or_else(|| Error::Witness(format!("row {seq} is not under a checkpoint of {size} rows")))
    }

    /// The proof that the log of `old` rows is the beginning of the log of `new` rows (RFC 9162 §2.1.4), for a
    /// witness that keeps roots only. Reads as many hashes as the log has rows.
    ///
    /// # Errors
    /// [`Error::Witness`] when there are not so many rows.
    pub async fn prove_growth(&self, tenant: Tenant, old: u64, new: u64) -> Result<Vec<Hash>> {
        let all = leaves(&self.0.log.db, tenant, 0, new as i64).await?;
        usize::try_from(old)
            .ok()
            .and_then(|old| merkle::consistency_proof(&all, old))
            .ok_or_else(|| Error::Witness(format!("a log of {new} rows does not begin with {old}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            tenant: Tenant::SHARED,
            number: 3,
            size: 1200,
            root: [1; 32],
            previous: [2; 32],
            rows: [3; 32],
            at: Timestamp::from_micros(1_768_350_600_000_001),
            key: [4; 32],
        }
    }

    #[test]
    fn text_round_trip() {
        let c = checkpoint();
        assert_eq!(Checkpoint::parse(&c.body()), Some(c));
    }

    proptest! {
        #[test]
        fn only_the_exact_text_is_a_checkpoint(at in 0usize..600, new in "[ -~\n]") {
            let body = checkpoint().body();
            let at = at % body.len();
            let mut bent = body.clone();
            bent.replace_range(at..=at, &new);
            if let Some(c) = Checkpoint::parse(&bent) {
                prop_assert_eq!(c.body(), bent);
            }
            prop_assert_eq!(Checkpoint::parse(&body[..at]), None);
        }
    }
}
