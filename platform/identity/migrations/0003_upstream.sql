-- IDs of elsewhere that belong to a person. A row is begun when the upstream has said who it is, counts once the person
-- has confirmed it in the same session, and stays as a tombstone when it ends. `handle` is the blind index of issuer
-- and subject; `slot` holds it free for one person at a time (or, where the operator lets several people share one
-- subject, for each of them once). What the upstream told lies sealed in `told`, never in identity_proof.
create table identity_link (
  tenant {uuid} not null,
  id {uuid} not null,
  person {uuid} not null,
  sid {uuid} not null,
  provider text not null,
  issuer text not null,
  handle {blob} not null,
  slot {blob},
  sub {blob} not null,
  told {blob} not null,
  verified_at {ts} not null,
  begun_at {ts} not null,
  confirmed_at {ts},
  last_used_at {ts},
  ended_at {ts},
  primary key (tenant, id)
) {strict};
create unique index identity_link_slot on identity_link (tenant, slot) where ended_at is null;
create index identity_link_handle on identity_link (tenant, handle);
create index identity_link_person on identity_link (tenant, person, begun_at);
