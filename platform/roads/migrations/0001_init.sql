-- A road network as a whole. Never changed once written: another content is another version.
create table roads_network (
  tenant {uuid} not null,
  version text not null,
  source text not null,
  attribution text not null,
  licence text not null,
  simulated {bool} not null,
  epsg {int} not null,
  districts text not null,
  segments {int} not null,
  created_at {ts} not null,
  primary key (tenant, version)
) {strict};

-- The version in use.
create table roads_active (
  tenant {uuid} not null,
  version text not null,
  since {ts} not null,
  primary key (tenant)
) {strict};

-- Its segments. points: pairs of longitude and latitude, 1e-7 degree, 32-bit little endian.
-- from_node, to_node: numbers within the network; roads meet where they are equal.
create table roads_segment (
  tenant {uuid} not null,
  version text not null,
  id {int} not null,
  points {blob} not null,
  from_node {int} not null,
  to_node {int} not null,
  manager text not null,
  class text not null,
  link {bool} not null,
  route_no text,
  name text,
  travel text not null,
  required text not null,
  lanes {int},
  maxspeed_kmh {int},
  layer {int} not null,
  bridge {bool} not null,
  tunnel {bool} not null,
  sidewalk {bool} not null,
  municipality text,
  district {int},
  priority {int} not null,
  simulated {bool} not null,
  primary key (tenant, version, id)
) {strict};
