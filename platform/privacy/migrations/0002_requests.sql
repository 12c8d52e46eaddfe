-- Requests of a person about their own data (個人情報の保護に関する法律 §76 開示, §90 訂正, §98 利用停止). What the person wrote
-- and what they were told lies sealed. `checked` says how the person was known, `proxy_checked` how the proxy was.
create table privacy_request (
  tenant {uuid} not null,
  id {uuid} not null,
  subject {uuid} not null,
  kind text not null,
  channel text not null,
  received_on text not null,
  disclosed_on text,
  checked text not null,
  proxy text not null,
  proxy_checked text not null,
  days {int} not null,
  paused {int} not null,
  extended_on text,
  special_until text,
  state text not null,
  decision text,
  decided_on text,
  sections text not null,
  letter {blob} not null,
  reply {blob},
  version {int} not null,
  created_at {ts} not null,
  closed_at {ts},
  primary key (tenant, id)
) {strict};
create index privacy_request_subject on privacy_request (tenant, subject, created_at);
create index privacy_request_open on privacy_request (tenant, closed_at, received_on);
