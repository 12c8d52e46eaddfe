-- How often in a row the person said no or took it back: each time the recipient waits longer before it may ask again.
alter table consent_record add column noes {int} not null default 0;
-- The delegation (代理) by which somebody else said yes: the consent ends with it. Null where people answer themselves.
alter table consent_record add column mandate {uuid};
create index consent_record_mandate on consent_record (tenant, id) where mandate is not null;
-- Where the recipient wants to be told (RFC 8935); null for a recipient that fetches its notices.
alter table consent_recipient add column push_url text;
-- When the recipient's server took a notice. Acknowledged is more: what may not be used any more is not used.
alter table consent_notice add column delivered_at {ts};
