-- The partition for events that are taken in $1 seconds; partitions cover $2 seconds.
select {schema}.make_events_partition(make_interval(secs => $1), make_interval(secs => $2))
