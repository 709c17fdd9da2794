-- Drops a partition of results that have all expired. Answers whether there was one.
-- writes: the table of a partition
select {schema}.drop_results_partition('0')
