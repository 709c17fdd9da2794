-- Makes the counts anew by scanning all tasks.
-- locks: tasks and count_rollups, against writes
-- writes: count_deltas, count_rollups, count_totals
select {schema}.recount()
