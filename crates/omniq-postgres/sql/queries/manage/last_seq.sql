-- The number of the task that was enqueued last, whether it is still there or not; 0 before the first.
-- read only
select {schema}.last_seq()
