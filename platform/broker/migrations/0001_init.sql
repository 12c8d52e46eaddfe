-- Entities as they are now. `doc` is the whole entity with full names; the columns beside it only narrow.
create table broker_entity (
  tenant {uuid} not null,
  id text not null,
  doc text not null,
  created_at {ts} not null,
  modified_at {ts} not null,
  expires_at {ts},
  primary key (tenant, id)
) {strict};

-- Which entities are of a type.
create table broker_type (
  tenant {uuid} not null,
  type text not null,
  id text not null,
  primary key (tenant, type, id)
) {strict};
create index broker_type_entity on broker_type (tenant, id);

-- Which entities have an attribute, and of which kinds it is there.
create table broker_attr (
  tenant {uuid} not null,
  attr text not null,
  id text not null,
  kinds text not null,
  primary key (tenant, attr, id)
) {strict};
create index broker_attr_entity on broker_attr (tenant, id);

-- Entities over time: what is no attribute of them.
create table broker_past (
  tenant {uuid} not null,
  id text not null,
  doc text not null,
  created_at {ts} not null,
  modified_at {ts} not null,
  deleted_at {ts},
  primary key (tenant, id)
) {strict};

-- Every instance that an attribute ever had. `at` orders them: when it was observed, else when it was written.
create table broker_instance (
  tenant {uuid} not null,
  entity text not null,
  attr text not null,
  at {ts} not null,
  instance {uuid} not null,
  dataset text,
  doc text not null,
  primary key (tenant, entity, attr, at, instance)
) {strict};
create index broker_instance_id on broker_instance (tenant, instance);

-- @contexts: hosted here, made by us for subscriptions, or remembered from elsewhere.
create table broker_context (
  tenant {uuid} not null,
  id text not null,
  url text not null,
  kind text not null,
  body text not null,
  created_at {ts} not null,
  used_at {ts},
  hits {int} not null,
  primary key (tenant, id)
) {strict};
create index broker_context_url on broker_context (tenant, url);
