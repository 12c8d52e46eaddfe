-- What others delivered about people, sealed for the installation as a whole; `office` is responsible for the agreement.
-- A correction is a new version: the one before stays, with the moment it was replaced. One of the two columns holds the
-- value, by the legal class of the item.
create table consent_delivery (
  tenant {uuid} not null,
  id {uuid} not null,
  subject {uuid} not null,
  item text not null,
  version {int} not null,
  office {uuid} not null,
  agreement {uuid} not null,
  recipient {uuid} not null,
  source text not null,
  plain {blob},
  special {blob},
  method text not null,
  assurance text not null,
  verified_at {ts},
  at {ts} not null,
  replaced_at {ts},
  primary key (tenant, id)
) {strict};
create unique index consent_delivery_version on consent_delivery (tenant, subject, item, recipient, version);

-- Who wants to be told that something changed which a person lets it see.
create table consent_subscription (
  tenant {uuid} not null,
  id {uuid} not null,
  recipient {uuid} not null,
  agreement {uuid} not null,
  created_at {ts} not null,
  ended_at {ts},
  primary key (tenant, id)
) {strict};
create index consent_subscription_agreement on consent_subscription (tenant, agreement);
