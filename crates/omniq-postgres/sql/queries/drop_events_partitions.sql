-- Drops partitions of events that were all taken more than $1 seconds ago.
select {schema}.drop_events_partitions(make_interval(secs => $1))
