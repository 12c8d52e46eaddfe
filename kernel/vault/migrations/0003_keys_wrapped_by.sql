create index vaultkey_data_wrapped_by on vaultkey_data (tenant, wrapped_by);
