-- Rolls count deltas up into totals if there are at least this many.
-- params: at_least integer
-- locks: the last rollup, skip locked
-- writes: count_deltas, count_rollups, count_totals
select {schema}.roll_up_counts(:at_least)
