-- Makes the partition for events that are taken in :ahead seconds; partitions cover :step seconds.
-- params: ahead double precision, step double precision
-- writes: the table of a partition
select {schema}.make_events_partition(make_interval(secs => :ahead), make_interval(secs => :step))
