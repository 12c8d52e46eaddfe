-- Subscriptions with full names in `doc`; `context` is what stood in their @context. Notifications that wait are jobs of
-- the bus, written in the transaction of the change they tell.
create table broker_subscription (
  tenant {uuid} not null,
  id text not null,
  doc text not null,
  context text not null,
  created_at {ts} not null,
  modified_at {ts} not null,
  times_sent {int} not null,
  times_failed {int} not null,
  last_notification {ts},
  last_success {ts},
  last_failure {ts},
  primary key (tenant, id)
) {strict};
