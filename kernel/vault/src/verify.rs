//! [`verify_log`]: compares the access log with what the witness holds, row by row. Needs no key: whoever holds a
//! copy of the database and of the witness can run it.

use std::collections::{BTreeSet, VecDeque};

use kenroku_store::{Db, params};
use kenroku_types::{Tenant, Timestamp};

use crate::align::{Actual, Aligner, Expected, Finding, Manipulation};
use crate::checkpoint::{SignedCheckpoint, mark};
use crate::error::Result;
use crate::sql::{self, CheckpointRow, LogRow};
use crate::witness::{Testimony, Witness};

/// Rows read at once, and the window in which a moved row is recognised as such.
const WINDOW: usize = 8192;
/// Findings listed per tenant; the rest is counted.
const LISTED: usize = 1000;

/// What was found in one tenant's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantLogReport {
    /// Rows in the database.
    pub rows: u64,
    /// Rows covered by the last checkpoint that the witness holds. Rows after it are checked against their own
    /// hashes only.
    pub witnessed_rows: u64,
    /// When that checkpoint was made.
    pub witnessed_at: Option<Timestamp>,
    /// Checkpoints that the witness holds.
    pub checkpoints: u64,
    /// What does not agree, in the order of the rows; at most the first thousand.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
}

/// What [`verify_log`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Per tenant.
    pub tenants: Vec<(Tenant, TenantLogReport)>,
}

impl LogReport {
    /// Whether everything agrees.
    pub fn is_intact(&self) -> bool {
        self.tenants.iter().all(|(_, t)| t.findings.is_empty())
    }
}

/// Checks the whole access log against a witness. `progress` is told the tenant and how many of its rows were read.
///
/// # Errors
/// [`Error::Witness`](crate::Error::Witness) when the witness cannot be read; [`Error::Store`](crate::Error::Store).
pub async fn verify_log(
    db: &Db,
    witness: &dyn Witness,
    progress: &mut (dyn FnMut(Tenant, u64) + Send),
) -> Result<LogReport> {
    let heads: Vec<(Tenant, i64)> = db.read().await?.all(sql::HEADS, &[]).await?;
    let mut tenants: BTreeSet<Tenant> = witness.tenants().await?.into_iter().collect();
    tenants.extend(heads.iter().map(|h| h.0));
    let mut report = LogReport::default();
    for tenant in tenants {
        let head = heads.iter().find(|h| h.0 == tenant).map_or(0, |h| h.1);
        let mut check = Check {
            db,
            witness,
            tenant,
            aligner: Aligner::new(WINDOW),
            report: TenantLogReport::default(),
            from: Some(0),
            last: None,
            read_to: i64::MIN,
        };
        check.run(head, progress).await?;
        report.tenants.push((tenant, check.report));
    }
    Ok(report)
}

struct Check<'a> {
    db: &'a Db,
    witness: &'a dyn Witness,
    tenant: Tenant,
    aligner: Aligner,
    report: TenantLogReport,
    /// Where the witness is read on; `None` at its end.
    from: Option<u64>,
    /// The last checkpoint of the witness.
    last: Option<SignedCheckpoint>,
    /// The last number that was read.
    read_to: i64,
}

impl Check<'_> {
    async fn run(&mut self, head: i64, progress: &mut (dyn FnMut(Tenant, u64) + Send)) -> Result<()> {
        loop {
            while self.aligner.wants_expected() {
                self.read_witness().await?;
            }
            while self.aligner.wants_actual() {
                self.read_rows().await?;
                progress(self.tenant, self.report.rows);
            }
            if self.aligner.step() {
                break;
            }
        }
        self.later_rows(head, progress).await?;
        let mut findings = std::mem::take(&mut self.aligner.findings);
        findings.sort_by_key(|f| f.seq);
        self.report.more_findings = findings.len().saturating_sub(LISTED) as u64;
        findings.truncate(LISTED);
        self.report.findings = findings;
        Ok(())
    }

    async fn read_rows(&mut self) -> Result<()> {
        let rows: Vec<LogRow> = self
            .db
            .read()
            .await?
            .all(sql::LOG_PAGE, params![self.tenant, self.read_to, WINDOW as i64])
            .await?;
        self.aligner.act_done = rows.len() < WINDOW;
        self.report.rows += rows.len() as u64;
        for r in rows {
            let leaf = r.leaf();
            self.read_to = r.seq;
            self.aligner.act.push_back(Actual { seq: r.seq, mark: mark(&leaf), leaf, kept: r.hash == leaf });
        }
        Ok(())
    }

    async fn read_witness(&mut self) -> Result<()> {
        let Some(from) = self.from else {
            self.aligner.exp_done = true;
            return Ok(());
        };
        let page = self.witness.testimonies(self.tenant, from).await?;
        self.from = page.next;
        for t in page.testimonies {
            if !self.accept(t).await? {
                // What follows a broken link of the chain proves nothing.
                self.from = None;
                break;
            }
        }
        Ok(())
    }

    async fn accept(&mut self, t: Testimony) -> Result<bool> {
        let c = &t.signed.checkpoint;
        let (number, size, previous, key) = self.last.as_ref().map_or((0, 0, [0; 32], c.key), |l| {
            let l = &l.checkpoint;
            (l.number, l.size, l.hash(), l.key)
        });
        let follows = c.tenant == self.tenant
            && c.number == number + 1
            && c.previous == previous
            && c.key == key
            && size.checked_add(t.marks.len() as u64) == Some(c.size)
            && !t.marks.is_empty();
        if !follows || !t.verify() {
            let what = format!(
                "its checkpoint after number {number} is not signed by the tenant or does not follow"
            );
            self.aligner.find(size as i64 + 1, Manipulation::Witness, what);
            return Ok(false);
        }
        let stored: Option<CheckpointRow> =
            self.db.read().await?.opt(sql::CHECKPOINTS, params![self.tenant, number as i64, 1]).await?;
        if stored.and_then(|s| s.signed()).as_ref() != Some(&t.signed) {
            let what =
                format!("checkpoint {} is missing in the database or differs from the witness's", c.number);
            self.aligner.find(c.size as i64, Manipulation::Checkpoint, what);
        }
        let last = t.marks.len() - 1;
        for (i, m) in t.marks.iter().enumerate() {
            let root = (i == last).then_some(c.root);
            self.aligner.exp.push_back(Expected { seq: (size + i as u64) as i64 + 1, mark: *m, root });
        }
        self.report.checkpoints += 1;
        self.report.witnessed_rows = c.size;
        self.report.witnessed_at = Some(c.at);
        self.last = Some(t.signed);
        Ok(true)
    }

    /// Rows that no witness knows yet: their own hashes, their numbers, the counter, and checkpoints under way.
    async fn later_rows(&mut self, head: i64, progress: &mut (dyn FnMut(Tenant, u64) + Send)) -> Result<()> {
        let number = self.last.as_ref().map_or(0, |l| l.checkpoint.number as i64);
        let rows: Vec<CheckpointRow> =
            self.db.read().await?.all(sql::CHECKPOINTS, params![self.tenant, number, 10_000]).await?;
        let mut open: VecDeque<SignedCheckpoint> = VecDeque::new();
        let mut previous = self.last.clone();
        for r in rows {
            let signed = r.signed().filter(|s| s.verify());
            let chained = signed.filter(|s| {
                let c = &s.checkpoint;
                previous.as_ref().map_or(c.number == 1, |p| {
                    let p = &p.checkpoint;
                    c.previous == p.hash() && c.number == p.number + 1 && c.key == p.key && c.size > p.size
                })
            });
            let Some(s) = chained else {
                let what = format!("checkpoint {} is not signed by the tenant or does not follow", r.number);
                self.aligner.find(r.size, Manipulation::Checkpoint, what);
                break;
            };
            previous = Some(s.clone());
            open.push_back(s);
        }
        let mut next = self.report.witnessed_rows as i64 + self.aligner.shift + 1;
        loop {
            while let Some(a) = self.aligner.act.pop_front() {
                if a.seq < next {
                    self.aligner.find(a.seq, Manipulation::Inserted, "its number belongs to a sealed row");
                    continue;
                }
                if a.seq > next {
                    let what = format!("the rows {next} to {} are gone; no witness has seen them", a.seq - 1);
                    self.aligner.find(next, Manipulation::Deleted, what);
                    self.aligner.dirty = true;
                }
                next = a.seq + 1;
                if !a.kept {
                    let what = "it does not agree with its hash; no witness has seen it";
                    self.aligner.find(a.seq, Manipulation::Edited, what);
                }
                self.aligner.tree.push(a.leaf);
                if let Some(c) = open.front().filter(|c| c.checkpoint.size == self.aligner.tree.size()) {
                    if !self.aligner.dirty && c.checkpoint.root != self.aligner.tree.root() {
                        let what = "the rows up to here do not give the signed root";
                        self.aligner.find(a.seq, Manipulation::Root, what);
                        self.aligner.dirty = true;
                    }
                    open.pop_front();
                }
            }
            if self.aligner.act_done {
                break;
            }
            self.read_rows().await?;
            progress(self.tenant, self.report.rows);
        }
        if !self.aligner.dirty && !open.is_empty() {
            self.aligner.find(next, Manipulation::Truncated, "a checkpoint covers rows that are gone");
        }
        let gone = self.aligner.findings.iter().any(|f| f.what == Manipulation::Truncated);
        if head != next - 1 && !gone {
            let what = format!(
                "the last row is {}, the counter says {head}; no witness has seen later rows",
                next - 1
            );
            self.aligner.find(next, Manipulation::Counter, what);
        }
        Ok(())
    }
}
