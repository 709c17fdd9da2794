-- Adds one task, or hands it off to an idle worker. Parameters as in enqueue_segment.sql, with one payload.
-- params: id uuid, queue text, func text, codec text, payloads bytea[], priority smallint, max_retries integer, run_at text,
-- params: delay double precision, ttl double precision, options text, metadata text
-- reads: workers, heartbeats (hand-off)
-- locks: the worker, for key share (hand-off)
-- writes: tasks, count_deltas; notifies
-- rows: new
-- cursors: kept
with start as not materialized (
    select coalesce(:run_at::timestamptz, statement_timestamp() + make_interval(secs => :delay), statement_timestamp()) as at
), handed as materialized (
    -- Null: the queue has no listener.
    select case when {schema}.has_listener(:queue) then s.at <= statement_timestamp()
                and {schema}.hand_off(:id, :queue, :func, :codec, (:payloads)[1], :priority, :max_retries, :ttl, :options::jsonb,
                                      :metadata::jsonb) end as over
    from start s
), deltas as (
    insert into {schema}.count_deltas (queue, ready, scheduled)
    select :queue, case when s.at <= statement_timestamp() then 1 end, case when s.at > statement_timestamp() then 1 end
    from start s, handed h
    where h.over is not true
)
insert into {schema}.tasks (
    id, queue, func, codec, payloads, priority, max_retries, state, run_at, created_at, expires_at, options, metadata)
select :id, :queue, :func, :codec, :payloads, :priority, :max_retries,
       case when s.at <= statement_timestamp() then {ready} else {scheduled} end,
       s.at, statement_timestamp(), greatest(s.at, statement_timestamp()) + make_interval(secs => :ttl), :options::jsonb,
       :metadata::jsonb
from start s, handed h
where h.over is not true
returning case when (select not h.over from handed h) then pg_notify({channel}, :queue) end
