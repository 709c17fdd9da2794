-- Adds one run of several tasks: $1 id of its first task, $2 queue, $3 function, $4 codec, $5 the arguments of each task, $6 priority,
-- $7 extra runs, $8 start time, $9 delay and $10 time to live in seconds, $11 options, $12 metadata. Kept flat, for small runs come by
-- the thousand in a second, and each part of a plan has to be set up for each of them.
with start as not materialized (
    select coalesce($8::timestamptz, statement_timestamp() + make_interval(secs => $9), statement_timestamp()) as at
), deltas as (
    -- Not from what the insert returns: who may enqueue need not be able to look.
    insert into {schema}.count_deltas (queue, ready, scheduled)
    select $2, case when s.at <= statement_timestamp() then cardinality($5) end,
           case when s.at > statement_timestamp() then cardinality($5) end
    from start s
)
insert into {schema}.tasks (
    id, queue, func, codec, payloads, count, priority, max_retries, state, run_at, created_at, expires_at, options, metadata)
select $1, $2, $3, $4, $5, cardinality($5), $6, $7, case when s.at <= statement_timestamp() then 1 else 0 end,
       s.at, statement_timestamp(), greatest(s.at, statement_timestamp()) + make_interval(secs => $10), $11::jsonb, $12::jsonb
from start s
returning case when {schema}.has_listener($2) then pg_notify({channel}, $2) end
