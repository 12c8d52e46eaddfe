-- One row per fact that happened. `pos` is empty until the row is put into the global order (see outbox.rs).
-- `ord` only sorts rows that are visible already: it has gaps and becomes visible out of order, so no cursor uses it.
create table bus_outbox (
  tenant {uuid} not null,
  id {uuid} not null,
  name text not null,
  version {int} not null,
  payload text not null,
  made_at {ts} not null,
  pos {int},
  ord {int} generated always as identity,
  primary key (tenant, id)
);
