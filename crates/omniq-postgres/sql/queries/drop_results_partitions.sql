-- Drops partitions of results whose time is over.
select {schema}.drop_results_partitions('0')
