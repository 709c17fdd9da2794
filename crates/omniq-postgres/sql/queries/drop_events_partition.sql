-- Drops a partition of events that were all taken more than $1 seconds ago; says whether there was one.
select {schema}.drop_events_partition(make_interval(secs => $1))
