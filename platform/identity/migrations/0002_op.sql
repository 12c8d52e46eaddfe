-- The OpenID Provider. Codes, tokens and proofs are kept as SHA-256 only.

-- Signing keys. `sealed` is the PKCS #8 form under the key store; a key signs from `active_from` until a newer one
-- does, and is published until `expires_at`.
create table identity_op_key (
  tenant {uuid} not null,
  alg text not null,
  number {int} not null,
  kid text not null,
  public {json} not null,
  sealed {blob} not null,
  active_from {ts} not null,
  expires_at {ts},
  primary key (tenant, alg, number)
) {strict};

-- Clients: what they registered, and what the operator allows them.
create table identity_op_client (
  tenant {uuid} not null,
  id text not null,
  metadata {json} not null,
  policy {json} not null,
  secret_hash {blob},
  state text not null,
  version {int} not null,
  created_at {ts} not null,
  changed_at {ts} not null,
  primary key (tenant, id)
) {strict};

-- What may come once: assertions and proofs by their jti; and access tokens that were revoked before their end.
create table identity_op_once (
  tenant {uuid} not null,
  kind text not null,
  hash {blob} not null,
  expires_at {ts} not null,
  primary key (tenant, kind, hash)
) {strict};
create index identity_op_once_expires on identity_op_once (expires_at);

-- Pushed authorization requests (RFC 9126).
create table identity_op_pushed (
  tenant {uuid} not null,
  hash {blob} not null,
  client text not null,
  params {json} not null,
  expires_at {ts} not null,
  used_at {ts},
  primary key (tenant, hash)
) {strict};
create index identity_op_pushed_expires on identity_op_pushed (expires_at);

-- Authorization requests that wait for the person, bound to their browser.
create table identity_op_interaction (
  tenant {uuid} not null,
  id {uuid} not null,
  browser_hash {blob} not null,
  request {json} not null,
  created_at {ts} not null,
  expires_at {ts} not null,
  consented_at {ts},
  done_at {ts},
  primary key (tenant, id)
) {strict};
create index identity_op_interaction_expires on identity_op_interaction (expires_at);

-- What a person let a client have by one authorization: the family of everything that was issued for it.
create table identity_op_grant (
  tenant {uuid} not null,
  id {uuid} not null,
  issuer text not null,
  client text not null,
  person {uuid} not null,
  subject text not null,
  sid {uuid},
  scope text not null,
  claims {json} not null,
  acr text not null,
  amr text not null,
  auth_time {ts} not null,
  offline {bool} not null,
  created_at {ts} not null,
  ended_at {ts},
  ended_why text,
  primary key (tenant, id)
) {strict};
create index identity_op_grant_sid on identity_op_grant (tenant, sid);
create index identity_op_grant_person on identity_op_grant (tenant, person, client);

create table identity_op_code (
  tenant {uuid} not null,
  hash {blob} not null,
  grant_id {uuid} not null,
  client text not null,
  request {json} not null,
  expires_at {ts} not null,
  used_at {ts},
  primary key (tenant, hash)
) {strict};
create index identity_op_code_expires on identity_op_code (expires_at);

create table identity_op_refresh (
  tenant {uuid} not null,
  hash {blob} not null,
  grant_id {uuid} not null,
  client text not null,
  jkt text,
  expires_at {ts} not null,
  used_at {ts},
  primary key (tenant, hash)
) {strict};
create index identity_op_refresh_expires on identity_op_refresh (expires_at);

-- What a person agreed to, per client, until they take it back.
create table identity_op_consent (
  tenant {uuid} not null,
  person {uuid} not null,
  client text not null,
  scope text not null,
  claims {json} not null,
  given_at {ts} not null,
  primary key (tenant, person, client)
) {strict};

-- The device grant (RFC 8628).
create table identity_op_device (
  tenant {uuid} not null,
  hash {blob} not null,
  user_code text not null,
  client text not null,
  request {json} not null,
  state text not null,
  grant_id {uuid},
  polled_at {ts},
  expires_at {ts} not null,
  primary key (tenant, hash)
) {strict};
create unique index identity_op_device_user_code on identity_op_device (tenant, user_code);
create index identity_op_device_expires on identity_op_device (expires_at);
