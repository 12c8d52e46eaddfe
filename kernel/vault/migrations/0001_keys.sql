-- The key store. It lives in a database of its own with a short backup cycle.
-- A row is never younger than its wrapping key: the foreign keys refuse to drop a key that still wraps another.
create table vaultkey_master (
  generation {int} not null primary key,
  check_value {blob} not null,
  created_at {ts} not null
) {strict};
create table vaultkey_tenant (
  tenant {uuid} not null,
  version {int} not null,
  master {int} not null references vaultkey_master (generation),
  wrapped {blob} not null,
  created_at {ts} not null,
  primary key (tenant, version)
) {strict};
create table vaultkey_subject (
  tenant {uuid} not null,
  subject {uuid} not null,
  log_ref {uuid},
  created_at {ts} not null,
  erased_at {ts},
  primary key (tenant, subject)
) {strict};
create table vaultkey_data (
  tenant {uuid} not null,
  subject {uuid} not null,
  class text not null,
  version {int} not null,
  wrapped_by {int},
  wrapped {blob},
  created_at {ts} not null,
  destroyed_at {ts},
  primary key (tenant, subject, class, version),
  foreign key (tenant, subject) references vaultkey_subject (tenant, subject),
  foreign key (tenant, wrapped_by) references vaultkey_tenant (tenant, version),
  check ((wrapped is null) = (wrapped_by is null)),
  check ((wrapped is null) = (destroyed_at is not null))
) {strict};
