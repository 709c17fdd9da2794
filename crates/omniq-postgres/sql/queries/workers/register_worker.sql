-- Adds a worker, whose lease has this many seconds.
-- params: name text, queues text[], lease double precision, host text, version text, funcs text[], slots integer
-- writes: workers, heartbeats
with worker as (
    insert into {schema}.workers (name, queues, lease, host, version, funcs, slots)
    values (:name, :queues, make_interval(secs => :lease), :host, :version, :funcs, :slots)
    returning id
), beat as (
    insert into {schema}.heartbeats (worker, ends_at) select id, clock_timestamp() + make_interval(secs => :lease) from worker
)
select id from worker
