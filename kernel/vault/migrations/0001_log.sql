-- The access log: one row per person and act, numbered without gaps per tenant, and its signed checkpoints.
create table vault_log (
  tenant {uuid} not null,
  seq {int} not null,
  id {uuid} not null,
  at {ts} not null,
  kind text not null,
  actor text not null,
  permission text not null,
  purpose text not null,
  subject_ref {uuid} not null,
  fields text not null,
  basis text not null,
  request {uuid},
  hash {blob} not null,
  primary key (tenant, seq)
) {strict};
create table vault_log_head (
  tenant {uuid} not null primary key,
  last {int} not null
) {strict};
create table vault_checkpoint (
  tenant {uuid} not null,
  number {int} not null,
  size {int} not null,
  body text not null,
  signature {blob} not null,
  frontier {blob} not null,
  witnessed_at {ts},
  primary key (tenant, number)
) {strict};
