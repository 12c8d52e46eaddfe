-- Only ended jobs: for the list of dead ones and for cleaning up.
create index bus_job_ended on bus_job (state, ended_at) where ended_at is not null;
