-- One row per fact that happened. `pos` is empty until the row is put into the global order (see outbox.rs).
-- The order of writing is the rowid: SQLite has one writer.
create table bus_outbox (
  tenant {uuid} not null,
  id {uuid} not null,
  name text not null,
  version {int} not null,
  payload text not null,
  made_at {ts} not null,
  pos {int},
  primary key (tenant, id)
) {strict};
