-- Registers that are only added to: each entry carries the hash of the one before it in its book, so that an edit, a
-- removal or another order shows. `item` says what an entry is about: the purpose, the person file, the release.
create table privacy_entry (
  tenant {uuid} not null,
  book text not null,
  number {int} not null,
  item text not null,
  snapshot text not null,
  hash {blob} not null,
  at {ts} not null,
  primary key (tenant, book, number)
) {strict};
create index privacy_entry_item on privacy_entry (tenant, book, item, number);

-- Somebody leaves. `id` is random: whoever holds it may read the receipt. `subject` goes when the person is erased.
create table privacy_leave (
  tenant {uuid} not null,
  id {uuid} not null,
  subject {uuid},
  state text not null,
  asked_at {ts} not null,
  due_at {ts} not null,
  done_at {ts},
  receipt {int},
  primary key (tenant, id)
) {strict};
create unique index privacy_leave_waiting on privacy_leave (tenant, subject) where state = 'waiting';
create index privacy_leave_due on privacy_leave (tenant, state, due_at);

-- What each holder has erased of somebody who leaves: a job that was killed goes on after it.
create table privacy_leave_part (
  tenant {uuid} not null,
  leaving {uuid} not null,
  module text not null,
  gone {int} not null,
  kept {int} not null,
  unreadable_after {ts},
  at {ts} not null,
  primary key (tenant, leaving, module)
) {strict};
