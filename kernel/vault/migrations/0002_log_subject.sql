create index vault_log_subject on vault_log (tenant, subject_ref, seq);
