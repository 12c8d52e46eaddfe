-- Each night's comparison of the registered certificates with the lists of revoked ones.
create table identity_revocation_check (
  tenant {uuid} not null,
  id {uuid} not null,
  at {ts} not null,
  outcome text not null,
  lists {int} not null,
  stale {int} not null,
  uncovered {int} not null,
  entries {int} not null,
  revoked {int} not null,
  expired {int} not null,
  moved {int} not null,
  primary key (tenant, id)
) {strict};
create index identity_revocation_check_at on identity_revocation_check (tenant, at);

-- Certificates by their end.
create index identity_credential_not_after on identity_credential (tenant, not_after);

-- Declarations of disaster mode: who, why, until when, and how it ended.
create table identity_disaster (
  tenant {uuid} not null,
  id {uuid} not null,
  reason text not null,
  declared_by text not null,
  declared_at {ts} not null,
  until {ts} not null,
  ended_at {ts},
  ended_by text,
  primary key (tenant, id)
) {strict};
create index identity_disaster_until on identity_disaster (tenant, until);
