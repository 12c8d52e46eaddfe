//! Every statement of the vault: first the key store, then the log.

use kenroku_store::{Bulk, Col, Sql, row, sql};
use kenroku_types::{Tenant, Timestamp};
use uuid::Uuid;

// --- the key store: master generations ---
pub const MASTERS: &Sql = sql!(
    "select generation, check_value from vaultkey_master order by generation \
     /* @reference: one master for the installation */"
);
pub const ADD_MASTER: &Sql = sql!(
    "insert into vaultkey_master (generation, check_value, created_at) values ($1, $2, $3) \
     on conflict (generation) do nothing /* @reference */"
);
pub const DROP_MASTER: &Sql = sql!("delete from vaultkey_master where generation = $1 /* @reference */");

// --- tenant keys ---
pub const TENANT_KEY: &Sql =
    sql!("select version, master, wrapped from vaultkey_tenant where tenant = $1 and version = $2");
pub const NEWEST_TENANT_KEY: &Sql = sql!(
    "select version, master, wrapped from vaultkey_tenant where tenant = $1 \
     order by version desc limit 1"
);
pub const ADD_TENANT_KEY: &Sql = sql!(
    "insert into vaultkey_tenant (tenant, version, master, wrapped, created_at) values ($1, $2, $3, $4, $5) \
     on conflict (tenant, version) do nothing"
);
pub const TENANT_KEYS_UNDER_OLD_MASTER: &Sql = sql!(
    "select tenant, version, master, wrapped from vaultkey_tenant where master < $1 \
     order by tenant, version limit $2 /* @cross_tenant: the master wraps the keys of all */"
);
pub const REWRAP_TENANT_KEY: &Sql = sql!(
    "update vaultkey_tenant set master = $4, wrapped = $5 where tenant = $1 and version = $2 and master = $3"
);
pub const TENANTS_WITH_OLD_KEYS: &Sql = sql!(
    "select tenant, max(version) from vaultkey_tenant group by tenant having count(*) > 1 order by tenant \
     /* @cross_tenant: the rotation job serves all */"
);
pub const DROP_TENANT_KEYS_BELOW: &Sql =
    sql!("delete from vaultkey_tenant where tenant = $1 and version < $2");

/// A tenant key as stored.
pub struct TenantKeyRow {
    pub version: u32,
    pub master: u32,
    pub wrapped: Vec<u8>,
}
row!(TenantKeyRow { version, master, wrapped });

// --- people and their data keys ---
pub static SUBJECTS: Bulk = Bulk::new(
    "vaultkey_subject",
    &[("tenant", Col::Uuid), ("subject", Col::Uuid), ("log_ref", Col::Uuid), ("created_at", Col::Int)],
    "on conflict (tenant, subject) do nothing",
);
pub static DATA_KEYS: Bulk = Bulk::new(
    "vaultkey_data",
    &[
        ("tenant", Col::Uuid),
        ("subject", Col::Uuid),
        ("class", Col::Text),
        ("version", Col::Int),
        ("wrapped_by", Col::Int),
        ("wrapped", Col::Blob),
        ("created_at", Col::Int),
    ],
    "on conflict (tenant, subject, class, version) do nothing",
);
pub const HIGHEST_VERSION: &Sql = sql!(
    "select coalesce(max(version), 0) from vaultkey_data where tenant = $1 and subject = $2 and class = $3"
);
pub const SUBJECT: &Sql =
    sql!("select log_ref, erased_at from vaultkey_subject where tenant = $1 and subject = $2");
pub const ERASED_PEOPLE: &Sql = sql!(
    "select subject from vaultkey_subject where tenant = $1 and subject > $2 and erased_at is not null \
     order by subject limit $3"
);
pub const MARK_ERASED: &Sql = sql!(
    "update vaultkey_subject set erased_at = $3, log_ref = null \
     where tenant = $1 and subject = $2 and erased_at is null"
);
pub const LOCK_SUBJECT: &Sql = sql!(
    "update vaultkey_subject set erased_at = erased_at \
     where tenant = $1 and subject = $2 and erased_at is null"
);
pub const DESTROY_ALL: &Sql = sql!(
    "update vaultkey_data set wrapped = null, wrapped_by = null, destroyed_at = $3 \
     where tenant = $1 and subject = $2 and wrapped is not null"
);
pub const DESTROY_CLASS: &Sql = sql!(
    "update vaultkey_data set wrapped = null, wrapped_by = null, destroyed_at = $4 \
     where tenant = $1 and subject = $2 and class = $3 and created_at <= $4 and wrapped is not null"
);
pub const DESTROY_BELOW: &Sql = sql!(
    "update vaultkey_data set wrapped = null, wrapped_by = null, destroyed_at = $5 \
     where tenant = $1 and subject = $2 and class = $3 and version < $4 and wrapped is not null"
);
pub const DATA_KEYS_UNDER_OLD: &Sql = sql!(
    "select subject, class, version, wrapped_by, wrapped from vaultkey_data \
     where tenant = $1 and wrapped_by < $2 order by wrapped_by, subject, class, version limit $3"
);
pub const REWRAP_DATA_KEY: &Sql = sql!(
    "update vaultkey_data set wrapped_by = $6, wrapped = $7 \
     where tenant = $1 and subject = $2 and class = $3 and version = $4 and wrapped_by = $5"
);
pub const LIVE_VERSIONS: &Sql = sql!(
    "select version, created_at from vaultkey_data \
     where tenant = $1 and subject = $2 and class = $3 and wrapped is not null order by version"
);
pub const SUBJECTS_WITH_OLD_VERSIONS: &Sql = sql!(
    "select subject, class from vaultkey_data where tenant = $1 and subject > $2 and wrapped is not null \
     group by subject, class having count(*) > 1 order by subject, class limit $3"
);
pub const TENANTS_WITH_OLD_VERSIONS: &Sql = sql!(
    "select distinct tenant from (select tenant from vaultkey_data where wrapped is not null \
     group by tenant, subject, class having count(*) > 1) t order by tenant \
     /* @cross_tenant: the rotation job serves all */"
);

/// A data key as stored.
pub struct DataKeyRow {
    pub subject: Uuid,
    pub class: String,
    pub version: u32,
    pub wrapped_by: u32,
    pub wrapped: Vec<u8>,
}
row!(DataKeyRow { subject, class, version, wrapped_by, wrapped });

/// A person with one of their keys, or with none.
pub struct SubjectRow {
    pub subject: Uuid,
    pub log_ref: Option<Uuid>,
    pub erased_at: Option<Timestamp>,
    pub class: Option<String>,
    pub version: Option<u32>,
    pub wrapped_by: Option<u32>,
    pub wrapped: Option<Vec<u8>>,
    pub created_at: Option<Timestamp>,
}
row!(SubjectRow { subject, log_ref, erased_at, class, version, wrapped_by, wrapped, created_at });

// --- the log ---
pub const TAKE_NUMBERS: &Sql = sql!(
    "insert into vault_log_head (tenant, last) values ($1, $2) \
     on conflict (tenant) do update set last = vault_log_head.last + excluded.last returning last"
);
pub static LOG_ROWS: Bulk = Bulk::new(
    "vault_log",
    &[
        ("tenant", Col::Uuid),
        ("seq", Col::Int),
        ("id", Col::Uuid),
        ("at", Col::Int),
        ("kind", Col::Text),
        ("actor", Col::Text),
        ("permission", Col::Text),
        ("purpose", Col::Text),
        ("subject_ref", Col::Uuid),
        ("fields", Col::Text),
        ("basis", Col::Text),
        ("request", Col::Uuid),
        ("hash", Col::Blob),
    ],
    "",
);
pub const LOG_PAGE: &Sql = sql!(
    "select tenant, seq, id, at, kind, actor, permission, purpose, subject_ref, fields, basis, request, hash \
     from vault_log where tenant = $1 and seq > $2 order by seq limit $3"
);
pub const LOG_OF_SUBJECT: &Sql = sql!(
    "select tenant, seq, id, at, kind, actor, permission, purpose, subject_ref, fields, basis, request, hash \
     from vault_log where tenant = $1 and subject_ref = $2 and seq < $3 order by seq desc limit $4"
);
pub const LOG_WITHIN: &Sql = sql!(
    "select tenant, seq, id, at, kind, actor, permission, purpose, subject_ref, fields, basis, request, hash \
     from vault_log where tenant = $1 and subject_ref = $2 and at >= $3 and at <= $4 order by seq desc limit $5"
);
pub const LOG_COUNT_WITHIN: &Sql =
    sql!("select count(*) from vault_log where tenant = $1 and subject_ref = $2 and at >= $3 and at <= $4");
pub const LOG_BEGINS: &Sql = sql!("select at from vault_log where tenant = $1 order by seq limit 1");
pub const LOG_HASHES: &Sql =
    sql!("select hash from vault_log where tenant = $1 and seq > $2 and seq <= $3 order by seq");
pub const ERASURES: &Sql = sql!(
    "select seq, subject_ref, at, fields from vault_log \
     where tenant = $1 and kind = 'erase' and seq > $2 order by seq limit $3"
);
pub const HEADS: &Sql = sql!(
    "select tenant, last from vault_log_head order by tenant /* @cross_tenant: sealing and checking serve all */"
);
pub const LAST_CHECKPOINT: &Sql = sql!(
    "select number, size, body, signature, frontier from vault_checkpoint where tenant = $1 \
     order by number desc limit 1"
);
pub const CHECKPOINTS: &Sql = sql!(
    "select number, size, body, signature, frontier from vault_checkpoint where tenant = $1 and number > $2 \
     order by number limit $3"
);
pub const ADD_CHECKPOINT: &Sql = sql!(
    "insert into vault_checkpoint (tenant, number, size, body, signature, frontier) \
     values ($1, $2, $3, $4, $5, $6)"
);
pub const FIRST_UNWITNESSED: &Sql = sql!(
    "select number from vault_checkpoint where tenant = $1 and witnessed_at is null order by number limit 1"
);
pub const CHECKPOINT_SIZE: &Sql = sql!("select size from vault_checkpoint where tenant = $1 and number = $2");
pub const WITNESSED: &Sql =
    sql!("update vault_checkpoint set witnessed_at = $3 where tenant = $1 and number = $2");

pub const HEAD: &Sql = sql!("select last from vault_log_head where tenant = $1");

// --- what tenants keep for each other ---
pub const KEEPER: &Sql = sql!(
    "select tenant from vault_testimony where log_tenant = $1 order by number desc limit 1 \
     /* @cross_tenant: which tenant keeps the log of this one */"
);
pub const KEPT_FOR: &Sql = sql!(
    "select distinct log_tenant from vault_testimony order by log_tenant \
     /* @cross_tenant: checking serves all */"
);
pub const ADD_TESTIMONY: &Sql = sql!(
    "insert into vault_testimony (tenant, log_tenant, number, body, signature, marks, at) \
     values ($1, $2, $3, $4, $5, $6, $7)"
);
pub const LAST_TESTIMONY: &Sql = sql!(
    "select number, body, signature, marks from vault_testimony where tenant = $1 and log_tenant = $2 \
     order by number desc limit 1"
);
pub const TESTIMONIES: &Sql = sql!(
    "select number, body, signature, marks from vault_testimony \
     where tenant = $1 and log_tenant = $2 and number > $3 order by number limit $4"
);
pub const SET_CHECK: &Sql = sql!(
    "insert into vault_check (tenant, witness, at, rows, witnessed_rows, findings, first_row, first_what) \
     values ($1, $2, $3, $4, $5, $6, $7, $8) \
     on conflict (tenant, witness) do update set at = excluded.at, rows = excluded.rows, \
     witnessed_rows = excluded.witnessed_rows, findings = excluded.findings, first_row = excluded.first_row, \
     first_what = excluded.first_what"
);
pub const CHECKS: &Sql = sql!(
    "select witness, at, rows, witnessed_rows, findings, first_row, first_what from vault_check \
     where tenant = $1 order by witness"
);

/// A testimony as a tenant keeps it.
pub struct TestimonyRow {
    pub number: i64,
    pub body: String,
    pub signature: Vec<u8>,
    pub marks: Vec<u8>,
}
row!(TestimonyRow { number, body, signature, marks });

/// How a comparison came out, as stored.
pub struct CheckRow {
    pub witness: String,
    pub at: Timestamp,
    pub rows: i64,
    pub witnessed_rows: i64,
    pub findings: i64,
    pub first_row: Option<i64>,
    pub first_what: String,
}
row!(CheckRow { witness, at, rows, witnessed_rows, findings, first_row, first_what });

/// A checkpoint as stored.
pub struct CheckpointRow {
    pub number: i64,
    pub size: i64,
    pub body: String,
    pub signature: Vec<u8>,
    pub frontier: Vec<u8>,
}
row!(CheckpointRow { number, size, body, signature, frontier });

/// A row of the log as stored.
pub struct LogRow {
    pub tenant: Tenant,
    pub seq: i64,
    pub id: Uuid,
    pub at: Timestamp,
    pub kind: String,
    pub actor: String,
    pub permission: String,
    pub purpose: String,
    pub subject_ref: Uuid,
    pub fields: String,
    pub basis: String,
    pub request: Option<Uuid>,
    pub hash: Vec<u8>,
}
row!(LogRow {
    tenant,
    seq,
    id,
    at,
    kind,
    actor,
    permission,
    purpose,
    subject_ref,
    fields,
    basis,
    request,
    hash
});
