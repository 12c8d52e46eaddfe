-- Serves both questions: what comes after a cursor, and what has no position yet.
create index bus_outbox_pos on bus_outbox (pos);
