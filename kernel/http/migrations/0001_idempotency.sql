-- Answers to requests that carried an Idempotency-Key, so that a repetition gets the same answer.
-- The key itself is not here: its hash names the row, and the answer is sealed under it.
create table http_idempotency (
  tenant {uuid} not null,
  key_hash {blob} not null,
  request_hash {blob} not null,
  started_at {ts} not null,
  expires_at {ts} not null,
  -- null while the first request is running
  answer {blob},
  primary key (tenant, key_hash)
) {strict};
