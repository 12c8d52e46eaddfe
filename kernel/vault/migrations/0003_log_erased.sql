create index vault_log_erased on vault_log (tenant, seq) where kind = 'erase';
