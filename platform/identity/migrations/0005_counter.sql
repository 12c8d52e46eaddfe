-- What a member of staff did for somebody at a counter: the kind of paper that was seen, never its number. It belongs to
-- the government whose counter it was; `person` and `other` (a guardian) are rows of the shared register.
create table identity_counter_act (
  tenant {uuid} not null,
  id {uuid} not null,
  at {ts} not null,
  staff text not null,
  what text not null,
  person {uuid} not null,
  other {uuid},
  document text not null,
  primary key (tenant, id)
) {strict};
create index identity_counter_act_at on identity_counter_act (tenant, at);

-- Sheets that wait for their person, to call off the old one when a new one is printed.
create index identity_ticket_person on identity_ticket (tenant, person, kind);

-- Delegations that end by the clock.
create index identity_delegation_until on identity_delegation (tenant, until);
