create unique index access_key_hash on access_key (key_hash);
