-- Adds one run: $1 id of its first task, $2 queue, $3 function, $4 codec, $5 the arguments of each task, $6 priority, $7 extra
-- runs, $8 start time, $9 delay and $10 time to live in seconds, $11 options, $12 metadata.
with clock as materialized (
    select clock_timestamp() as at
), run as (
    insert into {schema}.tasks as t (
        id, queue, func, codec, bodies, count, priority, max_retries, state, run_at, created_at, expires_at, options, metadata)
    select $1, $2, $3, $4, $5, cardinality($5), $6, $7, case when s.start > c.at then 0 else 1 end,
           s.start, c.at, greatest(s.start, c.at) + make_interval(secs => $10), $11::jsonb, $12::jsonb
    from clock c, lateral (select coalesce($8::timestamptz, c.at + make_interval(secs => $9), c.at)) as s(start)
    returning t.queue, t.state, {present} as tasks
), tallied as (
    insert into {schema}.tallies (queue, ready, scheduled)
    select t.queue, case t.state when 1 then t.tasks end, case t.state when 0 then t.tasks end from run t
)
select pg_notify({channel}, $2)
where exists (select from {schema}.sleepers s where $2 = any (s.queues))
