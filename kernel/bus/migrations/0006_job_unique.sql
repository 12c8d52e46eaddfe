-- Empty keys differ from each other on both engines.
create unique index bus_job_unique on bus_job (tenant, kind, unique_key);
