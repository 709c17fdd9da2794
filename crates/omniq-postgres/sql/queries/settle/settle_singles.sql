-- Settles tasks as settle.sql does, if each of them is held by a claim, leaves the table, is in a row of its own and not linked, as the client knows
-- from the claim: without masks, and without rows that hold several tasks, it costs the server about half. What it does not find,
-- settle.sql looks for: so an answer that lacks a task does not say that its claim is lost. No two tasks share a base id. Answers with
-- the numbers of those that were settled, from 1 on.
--
-- It waits a moment only for a row that another session holds, and fails then (SQLSTATE 55P03). `again`: some of the tasks may have results
-- of earlier lives, as they were claimed before, or as the user chose their ids.
-- params: firsts uuid[], workers bigint[], numbers integer[], everything boolean
-- params: result_groups integer[], result_shapes integer[], result_values bytea[], result_errors text[], result_metadata text[],
-- params: result_enqueued timestamptz[], result_started timestamptz[], result_finished timestamptz[], shape_statuses text[],
-- params: shape_codecs text[], shape_queues text[], shape_funcs text[], shape_workers text[], shape_attempts integer[],
-- params: shape_ttls double precision[]
-- params: event_groups integer[], event_ats timestamptz[], event_kinds text[], event_tasks uuid[], event_queues text[],
-- params: event_funcs text[], event_workers text[], event_attempts integer[], event_data text[]
-- index: tasks_id
-- locks: the tasks' rows, for update, in the order of ids, and the events, for 250 ms each
-- writes: tasks, count_deltas; with blocks result_segments, events; notifies
-- rows: of one task
-- cursors: kept: every task leaves
with gone as (
    delete from {schema}.tasks t
    using (
        select g.* from unnest(:firsts, :workers, :numbers) with ordinality as g(id, worker, number, no)
        -- Within the statement, which saves a round trip and works behind poolers: it ends with the transaction.
        where (select set_config('lock_timeout', '250ms', true)) is not null
        order by g.id) g
    where t.id = any (array[g.id]) and {of_one} and t.worker = g.worker and t.claims = g.number and not t.linked
    returning g.no, t.id, t.queue, t.claims > t.attempt as again
), deltas as (
    -- What a worker holds is counted as running.
    insert into {schema}.count_deltas (queue, running)
    select g.queue, -count(*) from gone g group by g.queue
-- if again
), cleared as materialized (
    select {schema}.remove_results(array_agg(g.id order by g.id), array_agg(B'1'::bit varying))
    from unnest(:result_groups) as r(no)
    join gone g on g.no = r.no and g.again
    having count(*) > 0
-- end
-- if results
), stored as (
    insert into {schema}.result_segments (
        task_id, "values", status, codec, error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select g.id, array[r.value], (:shape_statuses)[r.shape], (:shape_codecs)[r.shape], r.error::jsonb, (:shape_queues)[r.shape],
           (:shape_funcs)[r.shape], (:shape_workers)[r.shape], (:shape_attempts)[r.shape], r.metadata::jsonb,
           r.enqueued_at, r.started_at, r.finished_at,
           coalesce(clock_timestamp() + make_interval(secs => (:shape_ttls)[r.shape]), 'infinity')
    from unnest(:result_groups, :result_shapes, :result_values, :result_errors, :result_metadata, :result_enqueued,
                :result_started, :result_finished)
         as r(no, shape, value, error, metadata, enqueued_at, started_at, finished_at)
    join gone g on g.no = r.no
-- end
-- if again
    -- So this part waits for `cleared`.
    where (select count(*) from cleared) >= 0
-- end
-- if events
), logged as materialized (
    -- By a function, whose statement takes its locks within the limit: those on tables that this statement names are taken before it begins.
    select {schema}.log_events(
        array_agg(e.at), array_agg(e.kind), array_agg(e.task_id), array_agg(e.queue), array_agg(e.func), array_agg(e.worker),
        array_agg(e.attempt), array_agg(e.data))
    from (
        select r.*
        from unnest(:event_groups, :event_ats, :event_kinds, :event_tasks, :event_queues, :event_funcs, :event_workers,
                    :event_attempts, :event_data)
             with ordinality as r(no, at, kind, task_id, queue, func, worker, attempt, data, rank)
        join gone g on g.no = r.no
        order by r.rank
    ) e
    having count(*) > 0
-- end
)
select coalesce(array_agg(g.no), '{}'),
       -- The refusal is raised by being selected. settle.sql says which task it is.
       case when :everything and count(*) < cardinality(:firsts)
            then {schema}.refuse('OQ001', 'a task is not held by its claim (any more), or not in a row of its own: nothing was changed') end
-- if events
       , (select count(*) from logged)
-- end
       -- Rings those who wait for an end; while nobody does, this asks for one lock.
       , case when count(*) > 0 and {schema}.has_waits('') then {schema}.ring(array_agg(g.id), null) end
from gone g
