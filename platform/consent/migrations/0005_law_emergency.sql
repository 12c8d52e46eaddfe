-- A declared danger (個人情報の保護に関する法律 §69(2)四, §27(1)二; 災害対策基本法 §49の11(3)): until it ends, one agreement
-- hands on its items without a consent. `seen_at`: when the data officer confirmed the alarm.
create table consent_emergency (
  tenant {uuid} not null,
  id {uuid} not null,
  agreement {uuid} not null,
  article text not null,
  reason text not null,
  declared_by text not null,
  declared_at {ts} not null,
  until {ts} not null,
  ended_at {ts},
  ended_by text,
  seen_at {ts},
  seen_by text,
  primary key (tenant, id)
) {strict};
create index consent_emergency_agreement on consent_emergency (tenant, agreement, until);

-- What the person has to be told afterwards: written in the transaction of the provision. `seen_at`: when they read it.
create table consent_told (
  tenant {uuid} not null,
  id {uuid} not null,
  subject {uuid} not null,
  agreement {uuid} not null,
  emergency {uuid} not null,
  at {ts} not null,
  items text not null,
  seen_at {ts},
  primary key (tenant, id)
) {strict};
create index consent_told_subject on consent_told (tenant, subject, at);
