-- Where several people share one ID of elsewhere, each has a name by which the others tell them apart; and the token
-- that is given back to the provider when a link ends. Both sealed.
alter table identity_link add column label {blob};
alter table identity_link add column token {blob};
