create unique index access_session_token on access_session (token_hash);
