//! Statements and rows. Every row belongs to the tenant that is responsible for the agreement; a person's own list is
//! put together tenant by tenant.

use std::collections::BTreeSet;

use kenroku_contracts::personal::MandateId;
use kenroku_store::{ModuleMigrations, Result, Sql, Tx, migrations, params, row, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp};
use uuid::Uuid;

use crate::model::{
    AgreementId, NoticeId, ProvisionId, RecipientId, RecipientKind, RecordId, Standing, State, What,
};

/// The tables.
pub const MIGRATIONS: ModuleMigrations = migrations!(
    "consent",
    [
        "0001_init",
        "0002_codes_cases",
        "0003_usage",
        "0004_proxies_push",
        "0005_law_emergency",
        "0006_deliveries"
    ]
);

/// Whoever receives data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientRow {
    /// Which.
    pub id: RecipientId,
    /// A program or a module.
    pub kind: RecipientKind,
    /// The program's client id, or the module's name.
    pub handle: String,
    /// Under which pseudonyms it knows people.
    pub sector: String,
    /// 氏名又は名称.
    pub name: String,
    /// 住所.
    pub address: String,
    /// 代表者の氏名.
    pub representative: String,
    /// Where it wants to be told (RFC 8935).
    pub push_url: Option<String>,
}
row!(RecipientRow { id, kind, handle, sector, name, address, representative, push_url });

/// The head of an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementRow {
    /// Which.
    pub id: AgreementId,
    /// Its code within the tenant.
    pub code: String,
    /// Who receives.
    pub recipient: RecipientId,
    /// The revision in force.
    pub number: i64,
    /// For optimistic changes.
    pub version: i64,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}
row!(AgreementRow { id, code, recipient, number, version, ended_at });

/// One person's answer to one agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow {
    /// Which.
    pub id: RecordId,
    /// Whose, by this module's pseudonym.
    pub subject: SubjectId,
    /// To what.
    pub agreement: AgreementId,
    state: State,
    number: i64,
    items: String,
    until: Option<Timestamp>,
    /// Steps so far.
    pub steps: i64,
    /// For optimistic changes.
    pub version: i64,
    /// Of the last step.
    pub changed_at: Timestamp,
    noes: i64,
    /// By which delegation somebody else said yes.
    pub mandate: Option<MandateId>,
}
row!(RecordRow {
    id,
    subject,
    agreement,
    state,
    number,
    items,
    until,
    steps,
    version,
    changed_at,
    noes,
    mandate
});

impl RecordRow {
    /// Where it stands.
    pub fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            number: self.number,
            items: split(&self.items),
            until: self.until,
            noes: self.noes,
            mandate: self.mandate,
        }
    }
}

/// A revision of an agreement, or a step of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionRow {
    /// Its number, from 1.
    pub number: i64,
    /// `agreement` or `record`.
    pub kind: String,
    /// The JSON that the hash is of.
    pub snapshot: String,
    /// SHA-256.
    pub hash: Vec<u8>,
    /// When.
    pub at: Timestamp,
}
row!(RevisionRow { number, kind, snapshot, hash, at });

/// Something a recipient has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRow {
    /// Which.
    pub id: NoticeId,
    /// About which record.
    pub record: RecordId,
    /// What happened.
    pub step: What,
    /// When.
    pub created_at: Timestamp,
    /// To whom.
    pub recipient: RecipientId,
    /// When the recipient's server took it.
    pub delivered_at: Option<Timestamp>,
    /// When the recipient acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
}
row!(NoticeRow { id, record, step, created_at, recipient, delivered_at, acknowledged_at });

/// One time that data was handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionRow {
    /// Which.
    pub id: ProvisionId,
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub recipient: RecipientId,
    /// Under what.
    pub agreement: AgreementId,
    /// Its revision then.
    pub number: i64,
    /// By which consent.
    pub record: RecordId,
    /// Whose data.
    pub subject: SubjectId,
    items: String,
}
row!(ProvisionRow { id, at, recipient, agreement, number, record, subject, items });

impl ProvisionRow {
    /// The codes of what was handed on.
    pub fn items(&self) -> BTreeSet<String> {
        split(&self.items)
    }
}

fn split(items: &str) -> BTreeSet<String> {
    items.split_whitespace().map(str::to_owned).collect()
}

fn joined<'a>(items: impl IntoIterator<Item = &'a String>) -> String {
    items.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

const ADD_RECIPIENT: &Sql = sql!(
    "insert into consent_recipient (tenant, id, kind, handle, sector, name, address, representative, created_at,
       push_url)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
);
const RECIPIENT_BY_HANDLE: &Sql = sql!(
    "select id, kind, handle, sector, name, address, representative, push_url from consent_recipient
     where tenant = $1 and kind = $2 and handle = $3 and ended_at is null"
);
const RECIPIENT: &Sql = sql!(
    "select id, kind, handle, sector, name, address, representative, push_url from consent_recipient
     where tenant = $1 and id = $2"
);
const RECIPIENTS: &Sql = sql!(
    "select id, kind, handle, sector, name, address, representative, push_url from consent_recipient
     where tenant = $1 and ended_at is null order by name, id"
);
const END_RECIPIENT: &Sql =
    sql!("update consent_recipient set ended_at = $3 where tenant = $1 and id = $2 and ended_at is null");

const ADD_AGREEMENT: &Sql = sql!(
    "insert into consent_agreement (tenant, id, code, recipient, number, version, created_at, changed_at)
     values ($1, $2, $3, $4, 1, 1, $5, $6)"
);
const REVISE: &Sql = sql!(
    "update consent_agreement set number = number + 1, version = version + 1, changed_at = $4
     where tenant = $1 and id = $2 and version = $3 and ended_at is null"
);
const END_AGREEMENT: &Sql = sql!(
    "update consent_agreement set ended_at = $4, version = version + 1, changed_at = $5
     where tenant = $1 and id = $2 and version = $3 and ended_at is null"
);
const AGREEMENT: &Sql = sql!(
    "select id, code, recipient, number, version, ended_at from consent_agreement where tenant = $1 and id = $2"
);
const AGREEMENT_BY_CODE: &Sql = sql!(
    "select id, code, recipient, number, version, ended_at from consent_agreement where tenant = $1 and code = $2"
);
const AGREEMENTS: &Sql = sql!(
    "select id, code, recipient, number, version, ended_at from consent_agreement where tenant = $1 order by code"
);

const ADD_RECORD: &Sql = sql!(
    "insert into consent_record
       (tenant, id, subject, agreement, state, number, items, until, steps, version, changed_at, noes, mandate)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 1, 1, $9, $10, $11)"
);
const SET_RECORD: &Sql = sql!(
    "update consent_record set state = $4, number = $5, items = $6, until = $7, steps = steps + 1,
       version = version + 1, changed_at = $8, noes = $9, mandate = $10
     where tenant = $1 and id = $2 and version = $3"
);
const RECORD: &Sql = sql!(
    "select id, subject, agreement, state, number, items, until, steps, version, changed_at, noes, mandate
     from consent_record where tenant = $1 and id = $2"
);
const RECORD_OF: &Sql = sql!(
    "select id, subject, agreement, state, number, items, until, steps, version, changed_at, noes, mandate
     from consent_record where tenant = $1 and subject = $2 and agreement = $3"
);
const RECORDS_OF: &Sql = sql!(
    "select id, subject, agreement, state, number, items, until, steps, version, changed_at, noes, mandate
     from consent_record where tenant = $1 and subject = $2 order by changed_at desc, id"
);
const RECORDS_FOR: &Sql = sql!(
    "select id, subject, agreement, state, number, items, until, steps, version, changed_at, noes, mandate
     from consent_record where tenant = $1 and agreement = $2 and id > $3 order by id limit $4"
);
const DUE: &Sql = sql!(
    "select id, subject, agreement, state, number, items, until, steps, version, changed_at, noes, mandate
     from consent_record where tenant = $1 and state = 'granted' and until <= $2 order by until, id limit $3"
);

const ADD_REVISION: &Sql = sql!(
    "insert into consent_revision (tenant, object, number, kind, snapshot, hash, at)
     values ($1, $2, $3, $4, $5, $6, $7)"
);
const REVISION: &Sql = sql!(
    "select number, kind, snapshot, hash, at from consent_revision
     where tenant = $1 and object = $2 and number = $3"
);
const REVISIONS: &Sql = sql!(
    "select number, kind, snapshot, hash, at from consent_revision
     where tenant = $1 and object = $2 order by number"
);

const ADD_NOTICE: &Sql = sql!(
    "insert into consent_notice (tenant, id, recipient, record, step, created_at) values ($1, $2, $3, $4, $5, $6)"
);
const NOTICES: &Sql = sql!(
    "select id, record, step, created_at, recipient, delivered_at, acknowledged_at from consent_notice
     where tenant = $1 and recipient = $2 and acknowledged_at is null order by created_at, id limit $3"
);
const NOTICE: &Sql = sql!(
    "select id, record, step, created_at, recipient, delivered_at, acknowledged_at from consent_notice
     where tenant = $1 and id = $2"
);
const OPEN_NOTICES: &Sql = sql!(
    "select id, record, step, created_at, recipient, delivered_at, acknowledged_at from consent_notice
     where tenant = $1 and acknowledged_at is null order by created_at, id limit $2"
);
const DELIVERED: &Sql = sql!(
    "update consent_notice set delivered_at = $3 where tenant = $1 and id = $2 and delivered_at is null"
);
const PUSH_TO: &Sql =
    sql!("update consent_recipient set push_url = $3 where tenant = $1 and id = $2 and ended_at is null");
const MANDATED: &Sql = sql!(
    "select id, subject, agreement, state, number, items, until, steps, version, changed_at, noes, mandate
     from consent_record
     where tenant = $1 and mandate is not null and state = 'granted' and id > $2 order by id limit $3"
);
const ACKNOWLEDGE: &Sql = sql!(
    "update consent_notice set acknowledged_at = $4
     where tenant = $1 and recipient = $2 and id = $3 and acknowledged_at is null"
);
const UNTOLD: &Sql =
    sql!("select count(*) from consent_notice where tenant = $1 and record = $2 and acknowledged_at is null");

const ADD_PROVISION: &Sql = sql!(
    "insert into consent_provision (tenant, id, at, recipient, agreement, number, record, subject, items)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);
const PROVISIONS: &Sql = sql!(
    "select id, at, recipient, agreement, number, record, subject, items from consent_provision
     where tenant = $1 and at < $2 order by at desc, id desc limit $3"
);
const PROVISIONS_OF: &Sql = sql!(
    "select id, at, recipient, agreement, number, record, subject, items from consent_provision
     where tenant = $1 and subject = $2 order by at desc, id desc limit $3"
);
const PURGE_PROVISIONS: &Sql = sql!("delete from consent_provision where tenant = $1 and at < $2");

pub(crate) async fn add_recipient(tx: &mut Tx, t: Tenant, r: &RecipientRow, now: Timestamp) -> Result<()> {
    let row = params![
        t,
        r.id,
        r.kind,
        &r.handle,
        &r.sector,
        &r.name,
        &r.address,
        &r.representative,
        now,
        r.push_url.clone()
    ];
    tx.execute(ADD_RECIPIENT, row).await.map(drop)
}

pub(crate) async fn recipient_by_handle(
    tx: &mut Tx,
    t: Tenant,
    kind: RecipientKind,
    handle: &str,
) -> Result<Option<RecipientRow>> {
    tx.opt(RECIPIENT_BY_HANDLE, params![t, kind, handle]).await
}

pub(crate) async fn recipient(tx: &mut Tx, t: Tenant, id: RecipientId) -> Result<Option<RecipientRow>> {
    tx.opt(RECIPIENT, params![t, id]).await
}

pub(crate) async fn recipients(tx: &mut Tx, t: Tenant) -> Result<Vec<RecipientRow>> {
    tx.all(RECIPIENTS, params![t]).await
}

pub(crate) async fn end_recipient(tx: &mut Tx, t: Tenant, id: RecipientId, now: Timestamp) -> Result<bool> {
    Ok(tx.execute(END_RECIPIENT, params![t, id, now]).await? > 0)
}

pub(crate) async fn add_agreement(
    tx: &mut Tx,
    t: Tenant,
    id: AgreementId,
    code: &str,
    recipient: RecipientId,
    now: Timestamp,
) -> Result<()> {
    tx.execute(ADD_AGREEMENT, params![t, id, code, recipient, now, now]).await.map(drop)
}

pub(crate) async fn revise(tx: &mut Tx, t: Tenant, a: &AgreementRow, now: Timestamp) -> Result<()> {
    tx.execute_one(REVISE, params![t, a.id, a.version, now]).await
}

pub(crate) async fn end_agreement(tx: &mut Tx, t: Tenant, a: &AgreementRow, now: Timestamp) -> Result<()> {
    tx.execute_one(END_AGREEMENT, params![t, a.id, a.version, now, now]).await
}

pub(crate) async fn agreement(tx: &mut Tx, t: Tenant, id: AgreementId) -> Result<Option<AgreementRow>> {
    tx.opt(AGREEMENT, params![t, id]).await
}

pub(crate) async fn agreement_by_code(tx: &mut Tx, t: Tenant, code: &str) -> Result<Option<AgreementRow>> {
    tx.opt(AGREEMENT_BY_CODE, params![t, code]).await
}

pub(crate) async fn agreements(tx: &mut Tx, t: Tenant) -> Result<Vec<AgreementRow>> {
    tx.all(AGREEMENTS, params![t]).await
}

pub(crate) async fn add_record(
    tx: &mut Tx,
    t: Tenant,
    id: RecordId,
    subject: SubjectId,
    agreement: AgreementId,
    s: &Standing,
    now: Timestamp,
) -> Result<()> {
    let items = joined(&s.items);
    let row = params![t, id, subject, agreement, s.state, s.number, items, s.until, now, s.noes, s.mandate];
    tx.execute(ADD_RECORD, row).await.map(drop)
}

pub(crate) async fn set_record(
    tx: &mut Tx,
    t: Tenant,
    old: &RecordRow,
    s: &Standing,
    now: Timestamp,
) -> Result<()> {
    let items = joined(&s.items);
    let row = params![t, old.id, old.version, s.state, s.number, items, s.until, now, s.noes, s.mandate];
    tx.execute_one(SET_RECORD, row).await
}

pub(crate) async fn record(tx: &mut Tx, t: Tenant, id: RecordId) -> Result<Option<RecordRow>> {
    tx.opt(RECORD, params![t, id]).await
}

pub(crate) async fn record_of(
    tx: &mut Tx,
    t: Tenant,
    subject: SubjectId,
    agreement: AgreementId,
) -> Result<Option<RecordRow>> {
    tx.opt(RECORD_OF, params![t, subject, agreement]).await
}

pub(crate) async fn records_of(tx: &mut Tx, t: Tenant, subject: SubjectId) -> Result<Vec<RecordRow>> {
    tx.all(RECORDS_OF, params![t, subject]).await
}

pub(crate) async fn records_for(
    tx: &mut Tx,
    t: Tenant,
    agreement: AgreementId,
    after: Uuid,
    limit: u32,
) -> Result<Vec<RecordRow>> {
    tx.all(RECORDS_FOR, params![t, agreement, after, limit]).await
}

pub(crate) async fn due(tx: &mut Tx, t: Tenant, now: Timestamp, limit: u32) -> Result<Vec<RecordRow>> {
    tx.all(DUE, params![t, now, limit]).await
}

pub(crate) async fn add_revision(tx: &mut Tx, t: Tenant, object: Uuid, r: &RevisionRow) -> Result<()> {
    let row = params![t, object, r.number, &r.kind, &r.snapshot, &r.hash, r.at];
    tx.execute(ADD_REVISION, row).await.map(drop)
}

pub(crate) async fn revision(
    tx: &mut Tx,
    t: Tenant,
    object: Uuid,
    number: i64,
) -> Result<Option<RevisionRow>> {
    tx.opt(REVISION, params![t, object, number]).await
}

pub(crate) async fn revisions(tx: &mut Tx, t: Tenant, object: Uuid) -> Result<Vec<RevisionRow>> {
    tx.all(REVISIONS, params![t, object]).await
}

pub(crate) async fn add_notice(
    tx: &mut Tx,
    t: Tenant,
    id: NoticeId,
    recipient: RecipientId,
    record: RecordId,
    step: What,
    now: Timestamp,
) -> Result<()> {
    tx.execute(ADD_NOTICE, params![t, id, recipient, record, step, now]).await.map(drop)
}

pub(crate) async fn notices(
    tx: &mut Tx,
    t: Tenant,
    recipient: RecipientId,
    limit: u32,
) -> Result<Vec<NoticeRow>> {
    tx.all(NOTICES, params![t, recipient, limit]).await
}

pub(crate) async fn acknowledge(
    tx: &mut Tx,
    t: Tenant,
    recipient: RecipientId,
    id: NoticeId,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(ACKNOWLEDGE, params![t, recipient, id, now]).await? > 0)
}

pub(crate) async fn notice(tx: &mut Tx, t: Tenant, id: NoticeId) -> Result<Option<NoticeRow>> {
    tx.opt(NOTICE, params![t, id]).await
}

/// Everything that no recipient has acknowledged, oldest first.
pub(crate) async fn open_notices(tx: &mut Tx, t: Tenant, limit: u32) -> Result<Vec<NoticeRow>> {
    tx.all(OPEN_NOTICES, params![t, limit]).await
}

pub(crate) async fn delivered(tx: &mut Tx, t: Tenant, id: NoticeId, now: Timestamp) -> Result<()> {
    tx.execute(DELIVERED, params![t, id, now]).await.map(drop)
}

pub(crate) async fn push_to(tx: &mut Tx, t: Tenant, id: RecipientId, url: Option<String>) -> Result<bool> {
    Ok(tx.execute(PUSH_TO, params![t, id, url]).await? > 0)
}

/// Granted records that rest on a delegation, from after `after` on.
pub(crate) async fn mandated(tx: &mut Tx, t: Tenant, after: Uuid, limit: u32) -> Result<Vec<RecordRow>> {
    tx.all(MANDATED, params![t, after, limit]).await
}

/// How many notices about a record its recipient has not acknowledged.
pub(crate) async fn untold(tx: &mut Tx, t: Tenant, record: RecordId) -> Result<i64> {
    let (n,): (i64,) = tx.one(UNTOLD, params![t, record]).await?;
    Ok(n)
}

pub(crate) async fn add_provision(
    tx: &mut Tx,
    t: Tenant,
    id: ProvisionId,
    at: Timestamp,
    to: RecipientId,
    under: (&AgreementRow, RecordId, SubjectId),
    items: &[String],
) -> Result<()> {
    let (a, record, subject) = under;
    let row = params![t, id, at, to, a.id, a.number, record, subject, joined(items)];
    tx.execute(ADD_PROVISION, row).await.map(drop)
}

pub(crate) async fn provisions(
    tx: &mut Tx,
    t: Tenant,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<ProvisionRow>> {
    tx.all(PROVISIONS, params![t, before, limit]).await
}

pub(crate) async fn provisions_of(
    tx: &mut Tx,
    t: Tenant,
    subject: SubjectId,
    limit: u32,
) -> Result<Vec<ProvisionRow>> {
    tx.all(PROVISIONS_OF, params![t, subject, limit]).await
}

pub(crate) async fn purge_provisions(tx: &mut Tx, t: Tenant, before: Timestamp) -> Result<u64> {
    tx.execute(PURGE_PROVISIONS, params![t, before]).await
}
