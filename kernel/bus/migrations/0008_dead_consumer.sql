create index bus_dead_consumer on bus_dead (consumer, pos);
