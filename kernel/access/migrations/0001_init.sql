-- Staff accounts until the identity provider knows staff.
create table access_staff (
  tenant {uuid} not null,
  id {uuid} not null,
  login text not null,
  name text not null,
  password text not null,
  roles text not null,
  disabled {bool} not null,
  version {int} not null,
  created_at {ts} not null,
  changed_at {ts} not null,
  primary key (tenant, id)
) {strict};

-- One row per signed-in browser. The token is not kept, only its hash.
create table access_session (
  tenant {uuid} not null,
  staff {uuid} not null,
  token_hash {blob} not null,
  signed_in_at {ts} not null,
  seen_at {ts} not null,
  expires_at {ts} not null,
  primary key (tenant, staff, token_hash)
) {strict};

-- Keys of devices and of vendors' programs. The key is not kept, only its hash.
create table access_key (
  tenant {uuid} not null,
  id {uuid} not null,
  key_hash {blob} not null,
  kind text not null check (kind in ('device', 'client')),
  holder {uuid} not null,
  scopes text not null,
  label text not null,
  created_at {ts} not null,
  created_by text not null,
  expires_at {ts},
  revoked_at {ts},
  primary key (tenant, id)
) {strict};

-- Failed sign-ins by account name and by network, hashed: it must work for names that do not exist.
create table access_throttle (
  kind text not null check (kind in ('account', 'network')),
  key_hash {blob} not null,
  failures {int} not null,
  last_at {ts} not null,
  blocked_until {ts} not null,
  primary key (kind, key_hash)
) {strict};
