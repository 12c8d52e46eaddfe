-- When each schedule runs next. @reference: schedules belong to the installation.
create table bus_schedule (
  name text not null primary key,
  cron text not null,
  next_at {ts} not null,
  last_at {ts}
) {strict};
