create index http_idempotency_expiry on http_idempotency (tenant, expires_at);
