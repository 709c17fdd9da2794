-- Drops a partition of results whose time is over; says whether there was one.
select {schema}.drop_results_partition('0')
