-- What one tenant keeps for another: checkpoints of its access log with the marks of the rows.
create table vault_testimony (
  tenant {uuid} not null,
  log_tenant {uuid} not null,
  number {int} not null,
  body text not null,
  signature {blob} not null,
  marks {blob} not null,
  at {ts} not null,
  primary key (tenant, log_tenant, number)
) {strict};

-- How the last comparison of a log with a witness came out.
create table vault_check (
  tenant {uuid} not null,
  witness text not null,
  at {ts} not null,
  rows {int} not null,
  witnessed_rows {int} not null,
  findings {int} not null,
  first_row {int},
  first_what text not null,
  primary key (tenant, witness)
) {strict};
