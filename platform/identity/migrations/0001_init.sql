-- A person with an いしかわID. What identifies them lies sealed in identity_proof; here is what the program must
-- know to let them in. `muni` is the municipality of the proofed address, null outside Ishikawa.
create table identity_person (
  tenant {uuid} not null,
  id {uuid} not null,
  class text not null,
  state text not null,
  muni text,
  simulated {bool} not null,
  version {int} not null,
  created_at {ts} not null,
  changed_at {ts} not null,
  primary key (tenant, id)
) {strict};

-- One row for each time the attributes were proved, by whom and how; nothing of an older row is merged into a newer.
-- `match_key` is the blind index of name, birth and sex, to find a person who comes twice.
create table identity_proof (
  tenant {uuid} not null,
  id {uuid} not null,
  person {uuid} not null,
  method text not null,
  assurance text not null,
  source text not null,
  verified_at {ts} not null,
  ended_at {ts},
  match_key {blob},
  name {blob} not null,
  birth {blob},
  sex {blob},
  address {blob},
  primary key (tenant, id)
) {strict};
create index identity_proof_person on identity_proof (tenant, person, verified_at);
create index identity_proof_match on identity_proof (tenant, match_key);

-- What a person signs in with: passkeys, certificates (by blind index of issuer and serial number), a password, a
-- one-time code. `handle` finds it, `public` is a public key, `secret` a sealed or hashed secret.
create table identity_credential (
  tenant {uuid} not null,
  id {uuid} not null,
  person {uuid} not null,
  kind text not null,
  handle {blob} not null,
  public {blob},
  hash text,
  seed {blob},
  counter {int} not null,
  label text not null,
  created_at {ts} not null,
  last_used_at {ts},
  not_after {ts},
  checked_at {ts},
  ended_at {ts},
  ended_why text,
  replaces {uuid},
  primary key (tenant, id)
) {strict};
-- Of those in use: a certificate may come back after it was removed.
create unique index identity_credential_handle on identity_credential (tenant, kind, handle) where ended_at is null;
create index identity_credential_person on identity_credential (tenant, person, kind);

create table identity_session (
  tenant {uuid} not null,
  sid {uuid} not null,
  person {uuid} not null,
  token_hash {blob} not null,
  assurance text not null,
  amr text not null,
  device text not null,
  signed_in_at {ts} not null,
  begun_at {ts} not null,
  seen_at {ts} not null,
  expires_at {ts} not null,
  primary key (tenant, sid)
) {strict};
create unique index identity_session_token on identity_session (token_hash);
create index identity_session_person on identity_session (tenant, person);

-- The sign-in history that the resident sees.
create table identity_history (
  tenant {uuid} not null,
  person {uuid} not null,
  id {uuid} not null,
  at {ts} not null,
  what text not null,
  way text not null,
  device text not null,
  primary key (tenant, person, id)
) {strict};
create index identity_history_at on identity_history (at);

-- Who somebody is for one sector: a module of ours, or a client of the OpenID Provider. Random, so that nothing can
-- be computed from one to another.
create table identity_subject (
  tenant {uuid} not null,
  sector text not null,
  person {uuid} not null,
  subject {uuid} not null,
  created_at {ts} not null,
  primary key (tenant, sector, person)
) {strict};
create unique index identity_subject_back on identity_subject (tenant, sector, subject);

-- What has begun and is not done: ceremonies of passkeys, requests to a card reader, registrations. A ticket is used
-- once, by one conditional update.
create table identity_ticket (
  tenant {uuid} not null,
  id {uuid} not null,
  kind text not null,
  code text,
  secret_hash {blob} not null,
  person {uuid},
  body text not null,
  created_at {ts} not null,
  expires_at {ts} not null,
  used_at {ts},
  result text,
  primary key (tenant, id)
) {strict};
create unique index identity_ticket_code on identity_ticket (tenant, code);
create index identity_ticket_expires on identity_ticket (expires_at);

-- 代理: `agent` may act for `principal` within `scopes` until `until`.
create table identity_delegation (
  tenant {uuid} not null,
  id {uuid} not null,
  kind text not null,
  principal {uuid} not null,
  agent {uuid},
  code_hash {blob},
  scopes text not null,
  basis text not null,
  created_at {ts} not null,
  accepted_at {ts},
  until {ts} not null,
  ended_at {ts},
  ended_by text,
  primary key (tenant, id)
) {strict};
create index identity_delegation_principal on identity_delegation (tenant, principal);
create index identity_delegation_agent on identity_delegation (tenant, agent);
create unique index identity_delegation_code on identity_delegation (tenant, code_hash);

-- Registrations that look like somebody who is registered already, for an operator to decide.
create table identity_review (
  tenant {uuid} not null,
  id {uuid} not null,
  newcomer {uuid} not null,
  known {uuid} not null,
  why text not null,
  created_at {ts} not null,
  decided_at {ts},
  decision text,
  decided_by text,
  version {int} not null,
  primary key (tenant, id)
) {strict};
create index identity_review_open on identity_review (tenant, decided_at, created_at);
