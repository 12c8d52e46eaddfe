//! The statements. Whatever is used up is used up by one conditional `update` or `insert`.

use kenroku_oidc::Scopes;
use kenroku_oidc::token::Act;
use kenroku_store::{Result, Sql, Tx, params, row, sql};
use kenroku_types::{Timestamp, id_kind};
use serde_json::Value;

use super::clients::Client;
use super::provider::T;
use crate::model::{DelegationId, PersonId, SessionId};

id_kind! {
    /// What a person let a client have by one authorization.
    OpGrant => GrantId;
    /// An authorization request that waits for the person.
    Interaction => InteractionId;
}

// --- keys ---

pub(super) struct KeyRow {
    pub alg: String,
    pub kid: String,
    pub public: Value,
    pub sealed: Vec<u8>,
    pub active_from: Timestamp,
}
row!(KeyRow { alg, kid, public, sealed, active_from });

const KEYS: &Sql = sql!(
    "select alg, kid, public, sealed, active_from from identity_op_key
     where tenant = $1 and (expires_at is null or expires_at > $2) order by alg, number"
);
const NEWEST_KEY: &Sql = sql!(
    "select number, active_from from identity_op_key where tenant = $1 and alg = $2 order by number desc limit 1"
);
const HAS_KEY: &Sql = sql!("select number from identity_op_key where tenant = $1 and kid = $2");
const ADD_KEY: &Sql = sql!(
    "insert into identity_op_key (tenant, alg, number, kid, public, sealed, active_from)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict (tenant, alg, number) do nothing"
);
const EXPIRE_KEYS: &Sql = sql!(
    "update identity_op_key set expires_at = $4
     where tenant = $1 and alg = $2 and number < $3 and (expires_at is null or expires_at > $4)"
);

pub(super) async fn keys(tx: &mut Tx, now: Timestamp) -> Result<Vec<KeyRow>> {
    tx.all(KEYS, params![T, now]).await
}
pub(super) async fn newest_key(tx: &mut Tx, alg: &str) -> Result<Option<(u32, Timestamp)>> {
    tx.opt(NEWEST_KEY, params![T, alg]).await
}
pub(super) async fn has_key(tx: &mut Tx, kid: &str) -> Result<bool> {
    Ok(tx.opt::<(u32,)>(HAS_KEY, params![T, kid]).await?.is_some())
}
pub(super) async fn add_key(tx: &mut Tx, k: &KeyRow, number: u32) -> Result<bool> {
    let row = params![T, &k.alg, number, &k.kid, &k.public, &k.sealed, k.active_from];
    Ok(tx.execute(ADD_KEY, row).await? == 1)
}
pub(super) async fn expire_keys(tx: &mut Tx, alg: &str, below: u32, at: Timestamp) -> Result<u64> {
    tx.execute(EXPIRE_KEYS, params![T, alg, below, at]).await
}

// --- clients ---

struct ClientRow {
    id: String,
    metadata: Value,
    policy: Value,
    secret_hash: Option<Vec<u8>>,
    state: String,
}
row!(ClientRow { id, metadata, policy, secret_hash, state });

impl ClientRow {
    fn client(self) -> Result<Client> {
        let bad = |e: serde_json::Error| kenroku_store::Error::Other(format!("client {}: {e}", self.id));
        Ok(Client {
            metadata: serde_json::from_value(self.metadata).map_err(bad)?,
            policy: serde_json::from_value(self.policy).map_err(bad)?,
            id: self.id,
            secret_hash: self.secret_hash,
            state: self.state,
        })
    }
}

const CLIENT: &Sql = sql!(
    "select id, metadata, policy, secret_hash, state from identity_op_client where tenant = $1 and id = $2"
);
const CLIENTS: &Sql = sql!(
    "select id, metadata, policy, secret_hash, state from identity_op_client where tenant = $1 order by id limit 1000"
);
const ADD_CLIENT: &Sql = sql!(
    "insert into identity_op_client (tenant, id, metadata, policy, secret_hash, state, version, created_at, changed_at)
     values ($1, $2, $3, $4, $5, $6, 1, $7, $8) on conflict (tenant, id) do nothing"
);
const SET_CLIENT_METADATA: &Sql = sql!(
    "update identity_op_client set metadata = $3, version = version + 1, changed_at = $4 where tenant = $1 and id = $2"
);
const SET_CLIENT_POLICY: &Sql = sql!(
    "update identity_op_client set policy = $3, version = version + 1, changed_at = $4 where tenant = $1 and id = $2"
);
const SET_CLIENT_STATE: &Sql = sql!(
    "update identity_op_client set state = $3, version = version + 1, changed_at = $4 where tenant = $1 and id = $2"
);

fn json_of(what: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(what).map_err(|e| kenroku_store::Error::Other(e.to_string()))
}
fn metadata(c: &Client) -> Result<Value> {
    json_of(&c.metadata)
}

pub(super) async fn client(tx: &mut Tx, id: &str) -> Result<Option<Client>> {
    tx.opt::<ClientRow>(CLIENT, params![T, id]).await?.map(ClientRow::client).transpose()
}
pub(super) async fn clients(tx: &mut Tx) -> Result<Vec<Client>> {
    tx.all::<ClientRow>(CLIENTS, params![T]).await?.into_iter().map(ClientRow::client).collect()
}
pub(super) async fn add_client(tx: &mut Tx, c: &Client, now: Timestamp) -> Result<bool> {
    let row =
        params![T, &c.id, metadata(c)?, json_of(&c.policy)?, c.secret_hash.as_deref(), &c.state, now, now];
    Ok(tx.execute(ADD_CLIENT, row).await? == 1)
}
pub(super) async fn set_client_metadata(tx: &mut Tx, c: &Client, now: Timestamp) -> Result<bool> {
    let metadata = metadata(c)?;
    Ok(tx.execute(SET_CLIENT_METADATA, params![T, &c.id, metadata, now]).await? == 1)
}
pub(super) async fn set_client_policy(tx: &mut Tx, c: &Client, now: Timestamp) -> Result<bool> {
    let policy = json_of(&c.policy)?;
    Ok(tx.execute(SET_CLIENT_POLICY, params![T, &c.id, policy, now]).await? == 1)
}
pub(super) async fn set_client_state(tx: &mut Tx, id: &str, state: &str, now: Timestamp) -> Result<bool> {
    Ok(tx.execute(SET_CLIENT_STATE, params![T, id, state, now]).await? == 1)
}

// --- what comes once ---

const ADD_ONCE: &Sql = sql!(
    "insert into identity_op_once (tenant, kind, hash, expires_at) values ($1, $2, $3, $4)
     on conflict (tenant, kind, hash) do nothing"
);
const IS_ONCE: &Sql =
    sql!("select expires_at from identity_op_once where tenant = $1 and kind = $2 and hash = $3");

pub(super) async fn add_once(tx: &mut Tx, kind: &str, hash: &[u8; 32], until: Timestamp) -> Result<bool> {
    Ok(tx.execute(ADD_ONCE, params![T, kind, hash, until]).await? == 1)
}
pub(super) async fn is_once(tx: &mut Tx, kind: &str, hash: &[u8; 32]) -> Result<bool> {
    Ok(tx.opt::<(Timestamp,)>(IS_ONCE, params![T, kind, hash]).await?.is_some())
}

// --- pushed requests ---

const ADD_PUSHED: &Sql = sql!(
    "insert into identity_op_pushed (tenant, hash, client, params, expires_at) values ($1, $2, $3, $4, $5)"
);
const USE_PUSHED: &Sql = sql!(
    "update identity_op_pushed set used_at = $4
     where tenant = $1 and hash = $2 and client = $3 and used_at is null and expires_at > $4 returning params"
);

pub(super) async fn add_pushed(
    tx: &mut Tx,
    hash: &[u8; 32],
    client: &str,
    pushed: &Value,
    until: Timestamp,
) -> Result<()> {
    tx.execute(ADD_PUSHED, params![T, hash, client, pushed, until]).await.map(drop)
}
pub(super) async fn use_pushed(
    tx: &mut Tx,
    hash: &[u8; 32],
    client: &str,
    now: Timestamp,
) -> Result<Option<Value>> {
    Ok(tx.opt::<(Value,)>(USE_PUSHED, params![T, hash, client, now]).await?.map(|r| r.0))
}

// --- interactions ---

pub(super) struct InteractionRow {
    pub browser_hash: Vec<u8>,
    pub request: Value,
    pub created_at: Timestamp,
    pub consented_at: Option<Timestamp>,
}
row!(InteractionRow { browser_hash, request, created_at, consented_at });

const ADD_INTERACTION: &Sql = sql!(
    "insert into identity_op_interaction (tenant, id, browser_hash, request, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6)"
);
const INTERACTION: &Sql = sql!(
    "select browser_hash, request, created_at, consented_at from identity_op_interaction
     where tenant = $1 and id = $2 and done_at is null and expires_at > $3"
);
const CONSENTED: &Sql = sql!(
    "update identity_op_interaction set consented_at = $3 where tenant = $1 and id = $2 and done_at is null"
);
const END_INTERACTION: &Sql = sql!(
    "update identity_op_interaction set done_at = $3
     where tenant = $1 and id = $2 and done_at is null and expires_at > $3"
);

pub(super) async fn add_interaction(
    tx: &mut Tx,
    id: InteractionId,
    browser: &[u8; 32],
    request: &Value,
    now: Timestamp,
    until: Timestamp,
) -> Result<()> {
    tx.execute(ADD_INTERACTION, params![T, id, browser, request, now, until]).await.map(drop)
}
pub(super) async fn interaction(
    tx: &mut Tx,
    id: InteractionId,
    now: Timestamp,
) -> Result<Option<InteractionRow>> {
    tx.opt(INTERACTION, params![T, id, now]).await
}
pub(super) async fn consented(tx: &mut Tx, id: InteractionId, now: Timestamp) -> Result<()> {
    tx.execute(CONSENTED, params![T, id, now]).await.map(drop)
}
/// False when it was over before: of two answers one wins.
pub(super) async fn end_interaction(tx: &mut Tx, id: InteractionId, now: Timestamp) -> Result<bool> {
    Ok(tx.execute(END_INTERACTION, params![T, id, now]).await? == 1)
}

// --- grants ---

/// A grant as it is stored.
#[derive(Clone, Debug)]
pub(super) struct GrantRow {
    pub id: GrantId,
    pub issuer: String,
    pub client: String,
    pub person: PersonId,
    pub subject: String,
    pub sid: Option<SessionId>,
    pub scope: String,
    pub claims: Value,
    pub acr: String,
    pub amr: String,
    pub auth_time: Timestamp,
    pub offline: bool,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Who acts for the person, as the client knows them; `None` where people act for themselves.
    pub actor_subject: Option<String>,
    /// The delegation that it rests on.
    pub delegation: Option<DelegationId>,
    /// Whether that delegation is in force.
    pub held: bool,
}
row!(GrantRow {
    id,
    issuer,
    client,
    person,
    subject,
    sid,
    scope,
    claims,
    acr,
    amr,
    auth_time,
    offline,
    created_at,
    ended_at,
    actor_subject,
    delegation,
    held
});

impl GrantRow {
    pub(super) fn scopes(&self) -> Scopes {
        Scopes::parse(&self.scope).unwrap_or_default()
    }
    /// Whether it still gives anything.
    pub(super) fn lives(&self) -> bool {
        self.ended_at.is_none() && self.held
    }
    /// Who acts, for tokens.
    pub(super) fn act(&self) -> Option<Act<'_>> {
        self.actor_subject.as_deref().map(|sub| Act { sub })
    }
}

const ADD_GRANT: &Sql = sql!(
    "insert into identity_op_grant (tenant, id, issuer, client, person, subject, sid, scope, claims, acr, amr,
       auth_time, offline, created_at, actor_subject, delegation)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
);
const GRANT: &Sql = sql!(
    "select g.id, g.issuer, g.client, g.person, g.subject, g.sid, g.scope, g.claims, g.acr, g.amr, g.auth_time,
       g.offline, g.created_at, g.ended_at, g.actor_subject, g.delegation,
       (g.delegation is null or exists (select 1 from identity_delegation d
         where d.tenant = g.tenant and d.id = g.delegation and d.ended_at is null and d.until > $3)) as held
     from identity_op_grant g where g.tenant = $1 and g.id = $2"
);
const END_GRANT: &Sql = sql!(
    "update identity_op_grant set ended_at = $3, ended_why = $4 where tenant = $1 and id = $2 and ended_at is null"
);
const END_GRANTS_OF_SESSION: &Sql = sql!(
    "update identity_op_grant set ended_at = $3, ended_why = 'session'
     where tenant = $1 and sid = $2 and offline = $4 and ended_at is null"
);
const END_GRANTS_OF_CLIENT: &Sql = sql!(
    "update identity_op_grant set ended_at = $4, ended_why = 'withdrawn'
     where tenant = $1 and person = $2 and client = $3 and ended_at is null"
);
const CLIENTS_OF_SESSION: &Sql = sql!(
    "select distinct client, subject, issuer from identity_op_grant where tenant = $1 and sid = $2
     order by client, subject, issuer"
);

pub(super) async fn add_grant(tx: &mut Tx, g: &GrantRow) -> Result<()> {
    let row = params![
        T,
        g.id,
        &g.issuer,
        &g.client,
        g.person,
        &g.subject,
        g.sid,
        &g.scope,
        &g.claims,
        &g.acr,
        &g.amr,
        g.auth_time,
        g.offline,
        g.created_at,
        g.actor_subject.as_deref(),
        g.delegation
    ];
    tx.execute(ADD_GRANT, row).await.map(drop)
}
pub(super) async fn grant(tx: &mut Tx, id: GrantId, now: Timestamp) -> Result<Option<GrantRow>> {
    tx.opt(GRANT, params![T, id, now]).await
}
pub(super) async fn end_grant(tx: &mut Tx, id: GrantId, why: &str, now: Timestamp) -> Result<bool> {
    Ok(tx.execute(END_GRANT, params![T, id, now, why]).await? == 1)
}
pub(super) async fn end_grants_of_session(tx: &mut Tx, sid: SessionId, now: Timestamp) -> Result<u64> {
    tx.execute(END_GRANTS_OF_SESSION, params![T, sid, now, false]).await
}
pub(super) async fn end_grants_of_client(
    tx: &mut Tx,
    person: PersonId,
    client: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(END_GRANTS_OF_CLIENT, params![T, person, client, now]).await
}
pub(super) async fn clients_of_session(tx: &mut Tx, sid: SessionId) -> Result<Vec<(String, String, String)>> {
    tx.all(CLIENTS_OF_SESSION, params![T, sid]).await
}

// --- codes ---

const ADD_CODE: &Sql = sql!(
    "insert into identity_op_code (tenant, hash, grant_id, client, request, expires_at)
     values ($1, $2, $3, $4, $5, $6)"
);
const USE_CODE: &Sql = sql!(
    "update identity_op_code set used_at = $4
     where tenant = $1 and hash = $2 and client = $3 and used_at is null and expires_at > $4
     returning grant_id, request"
);
const GRANT_OF_CODE: &Sql = sql!(
    "select grant_id from identity_op_code where tenant = $1 and hash = $2 and client = $3 and used_at is not null"
);

pub(super) async fn add_code(
    tx: &mut Tx,
    hash: &[u8; 32],
    grant: &GrantRow,
    request: &Value,
    until: Timestamp,
) -> Result<()> {
    tx.execute(ADD_CODE, params![T, hash, grant.id, &grant.client, request, until]).await.map(drop)
}
pub(super) async fn use_code(
    tx: &mut Tx,
    hash: &[u8; 32],
    client: &str,
    now: Timestamp,
) -> Result<Option<(GrantId, Value)>> {
    tx.opt(USE_CODE, params![T, hash, client, now]).await
}
pub(super) async fn grant_of_used_code(
    tx: &mut Tx,
    hash: &[u8; 32],
    client: &str,
) -> Result<Option<GrantId>> {
    Ok(tx.opt::<(GrantId,)>(GRANT_OF_CODE, params![T, hash, client]).await?.map(|r| r.0))
}

// --- refresh tokens ---

const ADD_REFRESH: &Sql = sql!(
    "insert into identity_op_refresh (tenant, hash, grant_id, client, jkt, expires_at)
     values ($1, $2, $3, $4, $5, $6)"
);
const USE_REFRESH: &Sql = sql!(
    "update identity_op_refresh set used_at = $4
     where tenant = $1 and hash = $2 and client = $3 and used_at is null and expires_at > $4
     returning grant_id, jkt"
);
const REFRESH: &Sql = sql!(
    "select grant_id, client, used_at, expires_at from identity_op_refresh where tenant = $1 and hash = $2"
);

/// Grant, client, when it was used, when it ends.
pub(super) type RefreshRow = (GrantId, String, Option<Timestamp>, Timestamp);

pub(super) async fn add_refresh(
    tx: &mut Tx,
    hash: &[u8; 32],
    grant: &GrantRow,
    jkt: Option<&str>,
    until: Timestamp,
) -> Result<()> {
    tx.execute(ADD_REFRESH, params![T, hash, grant.id, &grant.client, jkt, until]).await.map(drop)
}
pub(super) async fn use_refresh(
    tx: &mut Tx,
    hash: &[u8; 32],
    client: &str,
    now: Timestamp,
) -> Result<Option<(GrantId, Option<String>)>> {
    tx.opt(USE_REFRESH, params![T, hash, client, now]).await
}
pub(super) async fn refresh(tx: &mut Tx, hash: &[u8; 32]) -> Result<Option<RefreshRow>> {
    tx.opt(REFRESH, params![T, hash]).await
}

// --- consent ---

const CONSENT: &Sql =
    sql!("select scope, claims from identity_op_consent where tenant = $1 and person = $2 and client = $3");
const SET_CONSENT: &Sql = sql!(
    "insert into identity_op_consent (tenant, person, client, scope, claims, given_at) values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant, person, client) do update
       set scope = excluded.scope, claims = excluded.claims, given_at = excluded.given_at"
);
const WITHDRAW: &Sql =
    sql!("delete from identity_op_consent where tenant = $1 and person = $2 and client = $3");
const CONSENTS: &Sql = sql!(
    "select client, scope, claims, given_at from identity_op_consent where tenant = $1 and person = $2
     order by given_at desc, client"
);

/// When each grant of a person began, and when something of it was last renewed.
const USES: &Sql = sql!(
    "select g.client, g.created_at, max(r.used_at) from identity_op_grant g
     left join identity_op_refresh r on r.tenant = g.tenant and r.grant_id = g.id
     where g.tenant = $1 and g.person = $2 group by g.id, g.client, g.created_at"
);

pub(super) async fn uses(
    tx: &mut Tx,
    person: PersonId,
) -> Result<Vec<(String, Timestamp, Option<Timestamp>)>> {
    tx.all(USES, params![T, person]).await
}

/// Client, scope, claims, when.
pub(super) type ConsentRow = (String, String, Value, Timestamp);

pub(super) async fn consent(tx: &mut Tx, person: PersonId, client: &str) -> Result<Option<(String, Value)>> {
    tx.opt(CONSENT, params![T, person, client]).await
}
pub(super) async fn set_consent(
    tx: &mut Tx,
    person: PersonId,
    client: &str,
    scope: &str,
    claims: &Value,
    now: Timestamp,
) -> Result<()> {
    tx.execute(SET_CONSENT, params![T, person, client, scope, claims, now]).await.map(drop)
}
pub(super) async fn withdraw(tx: &mut Tx, person: PersonId, client: &str) -> Result<bool> {
    Ok(tx.execute(WITHDRAW, params![T, person, client]).await? == 1)
}
pub(super) async fn consents(tx: &mut Tx, person: PersonId) -> Result<Vec<ConsentRow>> {
    tx.all(CONSENTS, params![T, person]).await
}

// --- devices ---

/// A device that waits.
pub(super) struct DeviceRow {
    pub state: String,
    pub grant: Option<GrantId>,
    pub polled_at: Option<Timestamp>,
    pub expires_at: Timestamp,
}
row!(DeviceRow { state, grant, polled_at, expires_at });

const ADD_DEVICE: &Sql = sql!(
    "insert into identity_op_device (tenant, hash, user_code, client, request, state, expires_at)
     values ($1, $2, $3, $4, $5, 'waiting', $6) on conflict (tenant, user_code) do nothing"
);
const DEVICE: &Sql = sql!(
    "select state, grant_id, polled_at, expires_at from identity_op_device
     where tenant = $1 and hash = $2 and client = $3"
);
const POLLED: &Sql = sql!("update identity_op_device set polled_at = $3 where tenant = $1 and hash = $2");
const USE_DEVICE: &Sql = sql!(
    "update identity_op_device set state = 'used' where tenant = $1 and hash = $2 and state = 'allowed'"
);
const DEVICE_BY_CODE: &Sql = sql!(
    "select client, request from identity_op_device
     where tenant = $1 and user_code = $2 and state = 'waiting' and expires_at > $3"
);
const DECIDE_DEVICE: &Sql = sql!(
    "update identity_op_device set state = $3, grant_id = $4
     where tenant = $1 and user_code = $2 and state = 'waiting' and expires_at > $5"
);

pub(super) async fn add_device(
    tx: &mut Tx,
    hash: &[u8; 32],
    user_code: &str,
    client: &str,
    request: &Value,
    until: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(ADD_DEVICE, params![T, hash, user_code, client, request, until]).await? == 1)
}
pub(super) async fn device(tx: &mut Tx, hash: &[u8; 32], client: &str) -> Result<Option<DeviceRow>> {
    tx.opt(DEVICE, params![T, hash, client]).await
}
pub(super) async fn polled(tx: &mut Tx, hash: &[u8; 32], now: Timestamp) -> Result<()> {
    tx.execute(POLLED, params![T, hash, now]).await.map(drop)
}
pub(super) async fn use_device(tx: &mut Tx, hash: &[u8; 32]) -> Result<bool> {
    Ok(tx.execute(USE_DEVICE, params![T, hash]).await? == 1)
}
pub(super) async fn device_by_code(
    tx: &mut Tx,
    user_code: &str,
    now: Timestamp,
) -> Result<Option<(String, Value)>> {
    tx.opt(DEVICE_BY_CODE, params![T, user_code, now]).await
}
pub(super) async fn decide_device(
    tx: &mut Tx,
    user_code: &str,
    grant: Option<GrantId>,
    now: Timestamp,
) -> Result<bool> {
    let state = if grant.is_some() { "allowed" } else { "denied" };
    Ok(tx.execute(DECIDE_DEVICE, params![T, user_code, state, grant, now]).await? == 1)
}

// --- tidying ---

const OVER: [&Sql; 6] = [
    sql!("delete from identity_op_once where tenant = $1 and expires_at < $2"),
    sql!("delete from identity_op_pushed where tenant = $1 and expires_at < $2"),
    sql!("delete from identity_op_interaction where tenant = $1 and expires_at < $2"),
    sql!("delete from identity_op_code where tenant = $1 and expires_at < $2"),
    sql!("delete from identity_op_refresh where tenant = $1 and expires_at < $2"),
    sql!("delete from identity_op_device where tenant = $1 and expires_at < $2"),
];
const OLD_GRANTS: &Sql = sql!("delete from identity_op_grant where tenant = $1 and ended_at < $2");
const OLD_KEYS: &Sql = sql!("delete from identity_op_key where tenant = $1 and expires_at < $2");

/// Removes what has been over since `before`; ended grants stay for a year, to answer questions.
pub(super) async fn tidy(tx: &mut Tx, before: Timestamp, grants_before: Timestamp) -> Result<u64> {
    let mut n = 0;
    for statement in OVER {
        n += tx.execute(statement, params![T, before]).await?;
    }
    n += tx.execute(OLD_GRANTS, params![T, grants_before]).await?;
    n += tx.execute(OLD_KEYS, params![T, before]).await?;
    Ok(n)
}
