-- 一時的共有コード: somebody shares these items once with one recipient, at a counter or a shelter's desk. Only the
-- hash of the code is kept.
create table consent_code (
  tenant {uuid} not null,
  id {uuid} not null,
  hash {blob} not null,
  subject {uuid} not null,
  agreement {uuid} not null,
  number {int} not null,
  items text not null,
  created_at {ts} not null,
  until {ts} not null,
  used_at {ts},
  primary key (tenant, id)
) {strict};
create unique index consent_code_hash on consent_code (tenant, hash);
create index consent_code_subject on consent_code (tenant, subject, created_at);

-- An objection to an access: what the person writes and what the data officer answers lie sealed. `log_tenant` and
-- `log_seq` name the row of the access log.
create table consent_case (
  tenant {uuid} not null,
  id {uuid} not null,
  subject {uuid} not null,
  log_tenant {uuid} not null,
  log_seq {int} not null,
  accessed_at {ts} not null,
  what text not null,
  note {blob} not null,
  answer {blob},
  state text not null,
  version {int} not null,
  created_at {ts} not null,
  answered_at {ts},
  primary key (tenant, id)
) {strict};
create unique index consent_case_row on consent_case (tenant, subject, log_tenant, log_seq);
create index consent_case_state on consent_case (tenant, state, created_at);
