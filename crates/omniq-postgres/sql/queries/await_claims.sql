-- Waits until no claim of this worker is under way any more: each holds the worker's row by a lock until it has ended.
select from {schema}.workers where id = $1 for update
