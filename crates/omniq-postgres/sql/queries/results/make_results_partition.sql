-- Makes the partition for results that are kept for :ahead seconds; partitions cover :step seconds.
-- params: ahead double precision, step double precision
-- writes: the table of a partition
select {schema}.make_results_partition(make_interval(secs => :ahead), make_interval(secs => :step))
