//! Revocation by the clock: every night the lists of revoked certificates are compared with the certificates that people
//! registered, of which only blind indexes are kept.
//!
//! The lists are walked and each entry is looked up by its blind index: no question about anybody leaves the house, and no
//! serial number is stored for it. That is why it needs lists (CRL); a responder (OCSP) or a platform operator answers
//! about one certificate whose number one knows, which we do not, and charges for each answer.
//!
//! Whose 署名用 certificate is revoked or has ended moved, was renamed or has a new card: they are asked to prove themselves
//! again ([`PersonState::Moved`](crate::model::PersonState)), which stops what is released and leaves signing in as it is.
//! A list that is too old or cannot be read marks nobody: what it says stays true, what it lacks is unknown, and the
//! operator is told.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use kenroku_http::metrics::Sample;
use kenroku_jpki::{CardLists, Listed, ListsState, SourceError};
use kenroku_store::{Sql, SqlBuilder, params, row, sql};
use kenroku_types::{Tenant, Timestamp};

use crate::card::CardTrust;
use crate::credential::{CertificateRef, CredentialRow, Handle, Kind};
use crate::error::{IdentityError, Result};
use crate::model::{CredentialId, PersonId, coded};
use crate::{Identity, session};

/// Entries of a list that are looked up at once. Between two portions others have their turn.
const PORTION: usize = 500;
/// Certificates that ended, in one transaction.
const ENDED_AT_ONCE: i64 = 200;

/// How long before the end of a certificate its person is told.
pub const SOON: Duration = Duration::from_secs(60 * 86_400);

const T: Tenant = Tenant::SHARED;

coded! {
    /// How a night's check went.
    CheckOutcome {
        /// Everything was fresh and was compared.
        Whole = "whole",
        /// Compared, but a list is too old, or a CA has none.
        Partly = "partly",
        /// There was nothing to compare with.
        Failed = "failed",
    }
}

/// A night's check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRow {
    /// When it began.
    pub at: Timestamp,
    /// How it went.
    pub outcome: CheckOutcome,
    /// Lists in use.
    pub lists: i64,
    /// Those of them that are too old.
    pub stale: i64,
    /// CAs without any list.
    pub uncovered: i64,
    /// Entries compared.
    pub entries: i64,
    /// Registered certificates that were found revoked.
    pub revoked: i64,
    /// Registered certificates that had reached their end.
    pub expired: i64,
    /// People who were asked to prove themselves again.
    pub moved: i64,
}
row!(CheckRow { at, outcome, lists, stale, uncovered, entries, revoked, expired, moved });

const ADD: &Sql = sql!(
    "insert into identity_revocation_check (tenant, id, at, outcome, lists, stale, uncovered, entries, revoked, expired,
       moved)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
const LAST: &Sql = sql!(
    "select at, outcome, lists, stale, uncovered, entries, revoked, expired, moved from identity_revocation_check
     where tenant = $1 order by at desc, id desc limit 7"
);
const FORGET: &Sql = sql!("delete from identity_revocation_check where tenant = $1 and at < $2");
const EXPIRED: &Sql = sql!(
    "select c.id, c.person, c.kind from identity_credential c
     join identity_person p on p.tenant = c.tenant and p.id = c.person
     where c.tenant = $1 and c.kind in ('jpki-auth', 'jpki-sign') and c.ended_at is null and c.not_after < $2
       and p.state in ('active', 'moved') order by c.id limit $3"
);
/// Somebody whom an operator still looks at is found again the night after the decision.
const END: &Sql = sql!(
    "update identity_credential set ended_at = $3, ended_why = $4
     where tenant = $1 and id = $2 and ended_at is null and exists (select 1 from identity_person p
       where p.tenant = identity_credential.tenant and p.id = identity_credential.person
         and p.state in ('active', 'moved'))"
);
const MOVED: &Sql = sql!(
    "update identity_person set state = 'moved', version = version + 1, changed_at = $3
     where tenant = $1 and id = $2 and state = 'active'"
);

struct Hit {
    id: CredentialId,
    person: PersonId,
    kind: Kind,
}
row!(Hit { id, person, kind });

/// What operators watch. In the memory of each process; [`Identity::revocation_checks`] is the record.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    whole_at: AtomicI64,
    lists: [AtomicI64; 3],
    found: [AtomicU64; 3],
}

impl Counts {
    fn note(&self, row: &CheckRow) {
        if row.outcome == CheckOutcome::Whole {
            self.whole_at.store(row.at.secs(), Ordering::Relaxed);
        }
        for (n, v) in self.lists.iter().zip([row.lists - row.stale, row.stale, row.uncovered]) {
            n.store(v, Ordering::Relaxed);
        }
        for (n, v) in self.found.iter().zip([row.revoked, row.expired, row.moved]) {
            n.fetch_add(v.unsigned_abs(), Ordering::Relaxed);
        }
    }

    /// What the record says, after a start: the newest first.
    pub(crate) fn remember(&self, checks: Vec<CheckRow>) {
        if let Some(whole) = checks.iter().find(|c| c.outcome == CheckOutcome::Whole) {
            self.whole_at.store(whole.at.secs(), Ordering::Relaxed);
        }
    }

    /// As Prometheus reads them.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let one = |name, help, counter, labels, value| Sample { name, help, counter, labels, value };
        let mut all = vec![one(
            "kenroku_identity_revocation_whole_timestamp_seconds",
            "When the registered certificates were last compared with fresh lists of every CA; 0 when never.",
            false,
            Vec::new(),
            self.whole_at.load(Ordering::Relaxed) as f64,
        )];
        for (state, n) in ["fresh", "stale", "missing"].into_iter().zip(&self.lists) {
            all.push(one(
                "kenroku_identity_revocation_lists",
                "Lists of revoked certificates at the last check, by state; missing counts CAs without one.",
                false,
                vec![("state", state.to_owned())],
                n.load(Ordering::Relaxed) as f64,
            ));
        }
        for (what, n) in ["revoked", "expired", "people"].into_iter().zip(&self.found) {
            all.push(one(
                "kenroku_identity_revocation_found_total",
                "Registered certificates found revoked or expired, and people asked to prove themselves again.",
                true,
                vec![("of", what.to_owned())],
                n.load(Ordering::Relaxed) as f64,
            ));
        }
        all
    }
}

impl Identity {
    /// Compares everything registered with the lists. Doing it twice, or in two processes at once, finds nothing twice.
    ///
    /// # Errors
    /// When the store fails; what was found until then stays found. A source without an answer is no error here but an
    /// outcome: it is recorded, and nobody is marked.
    pub async fn check_revocation(&self, trust: &CardTrust) -> Result<CheckRow> {
        let now = self.env().now();
        let mut row = CheckRow {
            at: now,
            outcome: CheckOutcome::Failed,
            lists: 0,
            stale: 0,
            uncovered: 0,
            entries: 0,
            revoked: 0,
            expired: 0,
            moved: 0,
        };
        self.end_expired(&mut row).await?;
        match trust.revocation.lists().await {
            Ok(lists) => self.compare(trust, &*lists, &mut row).await?,
            Err(SourceError::Unusable(why)) => {
                tracing::warn!(why, "the source of revocation cannot be compared with what is registered");
            }
            Err(e) => tracing::error!(error = %e, "no list of revoked certificates: nothing was compared"),
        }
        let id = self.env().uuid();
        let mut tx = self.db().begin().await?;
        let values = params![
            T,
            id,
            row.at,
            row.outcome,
            row.lists,
            row.stale,
            row.uncovered,
            row.entries,
            row.revoked,
            row.expired,
            row.moved
        ];
        tx.execute(ADD, values).await?;
        tx.execute(FORGET, params![T, now.minus(Duration::from_secs(366 * 86_400))]).await?;
        tx.commit().await?;
        self.counts().note(&row);
        Ok(row)
    }

    /// When the 署名用 certificate of somebody ends, if that is within [`SOON`]: they are told before it happens.
    pub fn ends_soon(&self, credentials: &[CredentialRow]) -> Option<Timestamp> {
        let now = self.env().now();
        let sign = credentials.iter().filter(|c| c.kind == Kind::JpkiSign);
        sign.filter_map(|c| c.not_after).find(|end| *end <= now.plus(SOON))
    }

    /// The last seven checks, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revocation_checks(&self) -> Result<Vec<CheckRow>> {
        Ok(self.db().read().await?.all(LAST, params![T]).await?)
    }

    async fn compare(&self, trust: &CardTrust, lists: &dyn CardLists, row: &mut CheckRow) -> Result<()> {
        let ListsState { lists: n, stale, covered } = lists.state(row.at);
        let missing = |pins: &mut dyn Iterator<Item = kenroku_jpki::Pin>| {
            pins.filter(|p| !covered.contains(p)).count() as i64
        };
        row.uncovered = missing(&mut trust.auth.pins()) + missing(&mut trust.sign.pins());
        (row.lists, row.stale) = (n as i64, stale as i64);
        let mut from = 0;
        loop {
            let portion = lists.portion(from, PORTION);
            from += portion.len();
            row.entries += portion.len() as i64;
            for kind in [Kind::JpkiAuth, Kind::JpkiSign] {
                let hits = self.registered(trust, kind, &portion).await?;
                for hit in hits {
                    row.revoked += i64::from(self.end(&hit, "revoked", row).await?);
                }
            }
            if portion.len() < PORTION {
                break;
            }
        }
        row.outcome = match (n, stale, row.uncovered) {
            (0, ..) => CheckOutcome::Failed,
            (_, 0, 0) => CheckOutcome::Whole,
            _ => CheckOutcome::Partly,
        };
        if row.outcome != CheckOutcome::Whole {
            tracing::error!(
                lists = n,
                stale,
                uncovered = row.uncovered,
                "lists of revoked certificates are old or missing"
            );
        }
        Ok(())
    }

    /// Which of these entries somebody has registered.
    async fn registered(&self, trust: &CardTrust, kind: Kind, entries: &[Listed]) -> Result<Vec<Hit>> {
        let pins: Vec<kenroku_jpki::Pin> = match kind {
            Kind::JpkiAuth => trust.auth.pins().collect(),
            _ => trust.sign.pins().collect(),
        };
        let mut handles = Vec::new();
        for e in entries.iter().filter(|e| pins.contains(&e.credential.issuer())) {
            let bytes = e.credential.to_bytes();
            let (issuer, serial) = bytes.split_at(bytes.len().min(32));
            match self.certificate_handle(&CertificateRef { kind, issuer, serial }).await? {
                Handle::Blind(index) => handles.push(index),
                Handle::Bytes(_) => {}
            }
        }
        if handles.is_empty() {
            return Ok(Vec::new());
        }
        let mut b = SqlBuilder::new("select id, person, kind from identity_credential where tenant = ");
        b.bind(T).push(" and kind = ").bind(kind).push(" and ended_at is null and handle in ");
        b.bind_list(handles).push(" order by id");
        Ok(self.db().read().await?.all_dyn(&b).await?)
    }

    async fn end_expired(&self, row: &mut CheckRow) -> Result<()> {
        loop {
            let mut tx = self.db().read().await?;
            let hits: Vec<Hit> = tx.all(EXPIRED, params![T, row.at, ENDED_AT_ONCE]).await?;
            drop(tx);
            for hit in &hits {
                row.expired += i64::from(self.end(hit, "expired", row).await?);
            }
            if (hits.len() as i64) < ENDED_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Ends a certificate, and asks its person to prove themselves again when the attributes rested on it; whether it
    /// had not been done before.
    async fn end(&self, hit: &Hit, why: &'static str, row: &mut CheckRow) -> Result<bool> {
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        let done: Result<(bool, bool)> = async {
            if tx.execute(END, params![T, hit.id, now, why]).await? == 0 {
                return Ok((false, false));
            }
            let asked =
                hit.kind == Kind::JpkiSign && tx.execute(MOVED, params![T, hit.person, now]).await? == 1;
            let way = if why == "expired" { "certificate-expired" } else { "certificate-revoked" };
            session::note(&mut tx, self.env(), hit.person, "changed", way, "").await?;
            Ok::<_, IdentityError>((true, asked))
        }
        .await;
        match done {
            Ok((ended, asked)) => {
                tx.commit().await?;
                row.moved += i64::from(asked);
                Ok(ended)
            }
            Err(e) => {
                tx.rollback().await?;
                Err(e)
            }
        }
    }
}
