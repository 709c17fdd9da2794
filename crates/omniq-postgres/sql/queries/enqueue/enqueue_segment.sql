-- Adds one segment of several tasks, whose first id is :id. Kept flat, because small segments come by the thousand in a second, and each
-- part of a plan has to be set up for each of them.
-- params: id uuid, queue text, func text, codec text, payloads bytea[], priority smallint, max_retries integer, run_at text,
-- params: delay double precision, ttl double precision, options text, metadata text
-- writes: tasks, count_deltas; notifies
-- rows: new
-- cursors: kept
with start as not materialized (
    select coalesce(:run_at::timestamptz, statement_timestamp() + make_interval(secs => :delay), statement_timestamp()) as at
), deltas as (
    -- Not from what the insert returns, because a role that may enqueue need not be able to read.
    insert into {schema}.count_deltas (queue, ready, scheduled)
    select :queue, case when s.at <= statement_timestamp() then cardinality(:payloads) end,
           case when s.at > statement_timestamp() then cardinality(:payloads) end
    from start s
)
insert into {schema}.tasks (
    id, queue, func, codec, payloads, count, priority, max_retries, state, run_at, created_at, expires_at, options, metadata)
select :id, :queue, :func, :codec, :payloads, cardinality(:payloads), :priority, :max_retries,
       case when s.at <= statement_timestamp() then {ready} else {scheduled} end,
       s.at, statement_timestamp(), greatest(s.at, statement_timestamp()) + make_interval(secs => :ttl), :options::jsonb,
       :metadata::jsonb
from start s
returning case when {schema}.has_listener(:queue) then pg_notify({channel}, :queue) end
