-- Adds a worker: $1 name, $2 queues, $3 lease in seconds.
with worker as (
    insert into {schema}.workers (name, queues, lease) values ($1, $2, make_interval(secs => $3))
    returning id
), beat as (
    insert into {schema}.heartbeats (worker, ends_at) select id, clock_timestamp() + make_interval(secs => $3) from worker
)
select id from worker
