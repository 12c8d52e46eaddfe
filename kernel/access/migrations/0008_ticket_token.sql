create unique index access_ticket_token on access_ticket (token_hash);
