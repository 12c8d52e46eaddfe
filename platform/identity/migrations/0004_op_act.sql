-- Somebody who acts for the person of a grant, as the client knows them, and the delegation that it rests on: when that
-- ends, so does the grant. Null where people act for themselves.
alter table identity_op_grant add column actor_subject text;
alter table identity_op_grant add column delegation {uuid};
