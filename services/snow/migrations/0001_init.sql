-- Vehicles and the devices that report for them. A plate or an operator's name is never kept here: `label` is
-- what the desk calls the vehicle.
create table snow_vehicle (
  tenant {uuid} not null,
  id {uuid} not null,
  label text not null,
  kind text not null,
  simulated {bool} not null,
  primary key (tenant, id)
) {strict};

create table snow_device (
  tenant {uuid} not null,
  id {uuid} not null,
  key_hash {blob} not null,
  label text not null,
  simulated {bool} not null,
  created_at {ts} not null,
  revoked_at {ts},
  primary key (tenant, id)
) {strict};
create unique index snow_device_key on snow_device (key_hash);

-- Which vehicle a device rides on, by date: a device may be swapped.
create table snow_device_vehicle (
  tenant {uuid} not null,
  device {uuid} not null,
  since {ts} not null,
  until {ts},
  vehicle {uuid} not null,
  primary key (tenant, device, since)
) {strict};

-- The segments a vehicle is to clear.
create table snow_route (
  tenant {uuid} not null,
  vehicle {uuid} not null,
  segment {int} not null,
  ordinal {int} not null,
  primary key (tenant, vehicle, segment)
) {strict};

-- 出動
create table snow_event (
  tenant {uuid} not null,
  id {uuid} not null,
  started_at {ts} not null,
  ended_at {ts},
  level text not null,
  depth_cm {int},
  source text not null,
  simulated {bool} not null,
  primary key (tenant, id)
) {strict};

-- Positions that are given out under a row lock, so that on PostgreSQL too nobody reads past a row whose
-- transaction is still open. kind: 'fix' (the log), 'state' (what pages follow).
create table snow_stream (
  tenant {uuid} not null,
  kind text not null,
  pos {int} not null,
  primary key (tenant, kind)
) {strict};

-- The log of positions: append-only, one row per device and moment.
create table snow_fix (
  tenant {uuid} not null,
  device {uuid} not null,
  at {ts} not null,
  pos {int} not null,
  lon {int} not null,
  lat {int} not null,
  speed {real},
  heading {real},
  hdop {real},
  work {bool},
  task text,
  mock {bool} not null,
  extra {json},
  received_at {ts} not null,
  primary key (tenant, device, at)
) {strict};
create index snow_fix_pos on snow_fix (tenant, pos);

create table snow_quarantine (
  tenant {uuid} not null,
  device {uuid} not null,
  digest {blob} not null,
  code text not null,
  raw text not null,
  received_at {ts} not null,
  primary key (tenant, device, digest)
) {strict};
create index snow_quarantine_time on snow_quarantine (tenant, received_at);

-- How far the processor has read; the version keeps two of them from doing the same work twice.
create table snow_cursor (
  tenant {uuid} not null,
  pos {int} not null,
  version {int} not null,
  primary key (tenant)
) {strict};

-- Where a device is in its track: enough to go on after a crash as if nothing had happened.
create table snow_tracker (
  tenant {uuid} not null,
  device {uuid} not null,
  vehicle {uuid},
  track {ts} not null,
  passes {int} not null,
  open {bool} not null,
  last_at {ts} not null,
  last_lon {int} not null,
  last_lat {int} not null,
  rule text not null,
  segment {int},
  live text not null,
  state text not null,
  rev {int} not null,
  primary key (tenant, device)
) {strict};
create index snow_tracker_rev on snow_tracker (tenant, rev);

create table snow_pass (
  tenant {uuid} not null,
  device {uuid} not null,
  track {ts} not null,
  n {int} not null,
  segment {int} not null,
  dir {int} not null,
  from_m {real} not null,
  to_m {real} not null,
  t0 {ts} not null,
  t1 {ts} not null,
  vehicle {uuid},
  task text,
  rule text not null,
  clears {bool} not null,
  margin {real},
  matcher text not null,
  network text not null,
  primary key (tenant, device, track, n)
) {strict};
create index snow_pass_segment on snow_pass (tenant, segment, dir, t0);

-- What is known of a segment and direction since an event began: always a function of the passes.
create table snow_segment_state (
  tenant {uuid} not null,
  event {uuid} not null,
  segment {int} not null,
  dir {int} not null,
  parts text not null,
  rev {int} not null,
  primary key (tenant, event, segment, dir)
) {strict};
create index snow_segment_state_rev on snow_segment_state (tenant, rev);
