-- `due_at` says when somebody may take the job: its start while it waits, the end of the lease while it runs,
-- nothing when it has ended. `fence` grows with every claim and every cancellation.
create table bus_job (
  tenant {uuid} not null,
  id {uuid} not null,
  kind text not null,
  payload text not null,
  lane {int} not null,
  state text not null check (state in ('waiting', 'running', 'done', 'dead', 'cancelled')),
  due_at {ts},
  attempts {int} not null,
  fence {int} not null,
  unique_key text,
  error text,
  made_at {ts} not null,
  ended_at {ts},
  primary key (tenant, id)
) {strict};
