-- What an organisation's directory (SCIM) says of an account, and when the account was removed. A removed account
-- keeps its number and names, so that logs stay meaningful; its sign-in name is free again.
alter table access_staff add column external_id text;
alter table access_staff add column email text not null default '';
alter table access_staff add column family_name text not null default '';
alter table access_staff add column given_name text not null default '';
alter table access_staff add column former_login text not null default '';
alter table access_staff add column kind text not null default 'staff' check (kind in ('staff', 'break-glass'));
alter table access_staff add column removed_at {ts};
