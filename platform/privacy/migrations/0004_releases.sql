-- A table that is being made anonymous: the uploaded rows lie sealed under the key of the government and go with the
-- work, at the latest when its time is over. `columns` are the names of the columns, `config` what was chosen.
create table privacy_work (
  tenant {uuid} not null,
  id {uuid} not null,
  name text not null,
  columns text not null,
  rows_in {int} not null,
  sealed {blob} not null,
  config text,
  outcome text,
  version {int} not null,
  created_at {ts} not null,
  expires_at {ts} not null,
  primary key (tenant, id)
) {strict};
create index privacy_work_expires on privacy_work (expires_at);

-- The file of a release, sealed; its register is the book `releases`, whose entry has this number.
create table privacy_release (
  tenant {uuid} not null,
  number {int} not null,
  sealed {blob} not null,
  primary key (tenant, number)
) {strict};
