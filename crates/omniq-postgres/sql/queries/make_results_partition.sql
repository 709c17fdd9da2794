-- The partition for results to be kept for $1 seconds; partitions cover $2 seconds.
select {schema}.make_results_partition(make_interval(secs => $1), make_interval(secs => $2))
