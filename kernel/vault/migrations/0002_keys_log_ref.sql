create unique index vaultkey_subject_log_ref on vaultkey_subject (tenant, log_ref);
