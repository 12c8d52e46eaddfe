-- The last position given out; one row. @reference: the order is one for all tenants.
create table bus_head (
  one {int} not null primary key check (one = 1),
  last {int} not null
) {strict};
insert into bus_head (one, last) values (1, 0);

-- How far each consumer has come. @reference: a consumer handles the events of all tenants.
create table bus_cursor (
  consumer text not null primary key,
  pos {int} not null,
  attempts {int} not null,
  next_at {ts},
  error text,
  moved_at {ts} not null
) {strict};

-- Events a consumer gave up on, whole, so that they can be replayed after their outbox row is gone.
create table bus_dead (
  tenant {uuid} not null,
  consumer text not null,
  event {uuid} not null,
  name text not null,
  version {int} not null,
  payload text not null,
  made_at {ts} not null,
  pos {int} not null,
  attempts {int} not null,
  error text not null,
  died_at {ts} not null,
  replay_at {ts},
  primary key (tenant, consumer, event)
) {strict};
