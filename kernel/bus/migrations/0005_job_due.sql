create index bus_job_due on bus_job (lane, due_at);
