-- How a session was proved and with what; one-time codes and one-time links of staff; alarms that somebody must see.
alter table access_session add column assurance text not null default 'password';
alter table access_session add column device text not null default '';

-- The seed of an account's one-time codes, sealed by the vault. A step of the clock is accepted once.
create table access_code (
  tenant {uuid} not null,
  staff {uuid} not null,
  seed {blob} not null,
  last_step {int} not null,
  made_at {ts} not null,
  primary key (tenant, staff)
) {strict};

-- Links that set a password up, and the pause between password and code. The link is not kept, only its hash.
create table access_ticket (
  tenant {uuid} not null,
  staff {uuid} not null,
  token_hash {blob} not null,
  kind text not null check (kind in ('set-up', 'code')),
  made_at {ts} not null,
  made_by text not null,
  expires_at {ts} not null,
  primary key (tenant, staff, token_hash)
) {strict};

-- What administrators and data officers must see until one of them says what was done about it.
create table access_alarm (
  tenant {uuid} not null,
  id {uuid} not null,
  kind text not null check (kind in ('break-glass', 'contract')),
  about {uuid} not null,
  subject text not null,
  at {ts} not null,
  reason text not null,
  seen_at {ts},
  seen_by text not null default '',
  note text not null default '',
  primary key (tenant, id)
) {strict};
