-- 個人情報ファイル簿 (個人情報の保護に関する法律 §75): the draft as JSON; what was published is an entry of the book `files`.
create table privacy_file (
  tenant {uuid} not null,
  id {uuid} not null,
  draft text not null,
  published {int},
  ended_at {ts},
  version {int} not null,
  changed_at {ts} not null,
  primary key (tenant, id)
) {strict};

-- 漏えい等 (the same law §68): what happened, how many people, which classes of 規則 §43. No personal data.
create table privacy_breach (
  tenant {uuid} not null,
  id {uuid} not null,
  drill {bool} not null,
  known_on text not null,
  classes text not null,
  facts text not null,
  first_on text,
  full_on text,
  told_on text,
  ended_on text,
  version {int} not null,
  created_at {ts} not null,
  primary key (tenant, id)
) {strict};
create index privacy_breach_open on privacy_breach (tenant, ended_on, known_on);

-- What was done about a breach, in order, by whom.
create table privacy_breach_step (
  tenant {uuid} not null,
  breach {uuid} not null,
  number {int} not null,
  at {ts} not null,
  kind text not null,
  text text not null,
  staff text not null,
  primary key (tenant, breach, number)
) {strict};

-- What each retention rule removed in a run, and what was overdue afterwards.
create table privacy_purge (
  tenant {uuid} not null,
  id {uuid} not null,
  at {ts} not null,
  rule text not null,
  removed {int} not null,
  overdue {int} not null,
  primary key (tenant, id)
) {strict};
create index privacy_purge_at on privacy_purge (tenant, at);

-- 第三者提供を受ける際の確認・記録 (the same law §30, 規則 §22 to §25).
create table privacy_received (
  tenant {uuid} not null,
  id {uuid} not null,
  kind text not null,
  received_on text not null,
  last_on text not null,
  until text not null,
  facts text not null,
  version {int} not null,
  primary key (tenant, id)
) {strict};
create index privacy_received_until on privacy_received (tenant, until);
