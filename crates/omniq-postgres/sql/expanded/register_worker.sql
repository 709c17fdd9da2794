-- $1 name text
-- $2 queues text[]
-- $3 lease float8
-- $4 host text
-- $5 version text
-- $6 funcs text[]
-- $7 slots int4
-- omniq: register_worker
with worker as (
    insert into "omniq".workers (name, queues, lease, host, version, funcs, slots)
    values ($1, $2, make_interval(secs => $3), $4, $5, $6, $7)
    returning id
), beat as (
    insert into "omniq".heartbeats (worker, ends_at) select id, clock_timestamp() + make_interval(secs => $3) from worker
)
select id from worker
