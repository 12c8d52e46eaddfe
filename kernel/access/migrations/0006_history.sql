-- What happened with an account: signing in, changes by others, every act of an emergency account.
create table access_history (
  tenant {uuid} not null,
  staff {uuid} not null,
  id {uuid} not null,
  at {ts} not null,
  what text not null,
  by_whom text not null,
  note text not null,
  primary key (tenant, staff, id)
) {strict};
