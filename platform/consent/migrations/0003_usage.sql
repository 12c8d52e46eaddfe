-- Recipients that keep a log of their own and answer who looked (findUsage, usagePeriod, heartbeat): where, with which
-- sealed key, since when; and how the last heartbeat went. What they answer is stored nowhere.
create table consent_usage_holder (
  tenant {uuid} not null,
  recipient {uuid} not null,
  url text not null,
  key {blob} not null,
  since {ts} not null,
  status text not null,
  message text not null,
  asked_at {ts},
  answered_at {ts},
  changed_at {ts} not null,
  ended_at {ts},
  primary key (tenant, recipient)
) {strict};
