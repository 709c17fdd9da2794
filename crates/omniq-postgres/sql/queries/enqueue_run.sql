-- Adds one run: $1 id of its first task, $2 queue, $3 function, $4 codec, $5 the arguments of each task, $6 priority, $7 extra
-- runs, $8 start time, $9 delay and $10 time to live in seconds, $11 options, $12 metadata. A lone task may go straight to a worker that sleeps.
with clock as materialized (
    select clock_timestamp() as at
), start as materialized (
    select s.at, case when s.at > c.at then 0 else 1 end as state
    from clock c, lateral (select coalesce($8::timestamptz, c.at + make_interval(secs => $9), c.at)) as s(at)
), bell as materialized (
    select {schema}.sleeps($2) as rings
), handed as materialized (
    select case when b.rings and s.state = 1 and cardinality($5) = 1
                then {schema}.hand_over($1, $2, $3, $4, ($5)[1], $6, $7, $10, $11::jsonb, $12::jsonb) else false end as over
    from bell b, start s
), run as (
    insert into {schema}.tasks (
        id, queue, func, codec, bodies, count, priority, max_retries, state, run_at, created_at, expires_at, options, metadata)
    select $1, $2, $3, $4, $5, cardinality($5), $6, $7, s.state,
           s.at, c.at, greatest(s.at, c.at) + make_interval(secs => $10), $11::jsonb, $12::jsonb
    from clock c, start s, handed h
    where not h.over
), tallied as (
    -- Not from what the insert returns: who may enqueue need not be able to look.
    insert into {schema}.tallies (queue, ready, scheduled)
    select $2, case s.state when 1 then cardinality($5) end, case s.state when 0 then cardinality($5) end
    from start s, handed h
    where not h.over
)
select pg_notify({channel}, $2)
from bell b, handed h
where b.rings and not h.over
