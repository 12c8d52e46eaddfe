-- Who receives personal data: a vendor's program (`handle` is its client id) or a module of ours (its name). `sector`
-- is under which pseudonyms it knows people. Name, address and representative go into the record of each provision
-- (個人情報の保護に関する法律 §29, 規則 §20).
create table consent_recipient (
  tenant {uuid} not null,
  id {uuid} not null,
  kind text not null,
  handle text not null,
  sector text not null,
  name text not null,
  address text not null,
  representative text not null,
  created_at {ts} not null,
  ended_at {ts},
  primary key (tenant, id)
) {strict};
create unique index consent_recipient_handle on consent_recipient (tenant, kind, handle);

-- For what a recipient uses which data of people: the head; its words are the revision `number` in consent_revision.
create table consent_agreement (
  tenant {uuid} not null,
  id {uuid} not null,
  code text not null,
  recipient {uuid} not null,
  number {int} not null,
  version {int} not null,
  created_at {ts} not null,
  changed_at {ts} not null,
  ended_at {ts},
  primary key (tenant, id)
) {strict};
create unique index consent_agreement_code on consent_agreement (tenant, code);

-- What one person answered to one agreement: where it stands now. Everything that led there is in consent_revision.
create table consent_record (
  tenant {uuid} not null,
  id {uuid} not null,
  subject {uuid} not null,
  agreement {uuid} not null,
  state text not null,
  number {int} not null,
  items text not null,
  until {ts},
  steps {int} not null,
  version {int} not null,
  changed_at {ts} not null,
  primary key (tenant, id)
) {strict};
create unique index consent_record_subject on consent_record (tenant, subject, agreement);
create index consent_record_until on consent_record (tenant, until) where state = 'granted';

-- Revisions of agreements and the steps of records: never changed, each with the hash of the one before
-- (GovStack Consent, Revision), so that an edit, a removal or another order shows.
create table consent_revision (
  tenant {uuid} not null,
  object {uuid} not null,
  number {int} not null,
  kind text not null,
  snapshot text not null,
  hash {blob} not null,
  at {ts} not null,
  primary key (tenant, object, number)
) {strict};

-- What a recipient has to be told of a record and has not acknowledged yet.
create table consent_notice (
  tenant {uuid} not null,
  id {uuid} not null,
  recipient {uuid} not null,
  record {uuid} not null,
  step text not null,
  created_at {ts} not null,
  acknowledged_at {ts},
  primary key (tenant, id)
) {strict};
create index consent_notice_open on consent_notice (tenant, recipient, created_at) where acknowledged_at is null;
create index consent_notice_record on consent_notice (tenant, record);

-- 第三者提供記録 (個人情報の保護に関する法律 §29): one row for each provision.
create table consent_provision (
  tenant {uuid} not null,
  id {uuid} not null,
  at {ts} not null,
  recipient {uuid} not null,
  agreement {uuid} not null,
  number {int} not null,
  record {uuid} not null,
  subject {uuid} not null,
  items text not null,
  primary key (tenant, id)
) {strict};
create index consent_provision_subject on consent_provision (tenant, subject, at);
create index consent_provision_at on consent_provision (tenant, at);
