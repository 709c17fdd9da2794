-- Drops a partition of events that were all taken more than :keep seconds ago. Answers whether there was one.
-- params: keep double precision
-- writes: the table of a partition
select {schema}.drop_events_partition(make_interval(secs => :keep))
