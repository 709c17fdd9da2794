-- Settles tasks, each checked against its claim. Settlements that share base id, claim and outcome are one group, from 1 on: its :firsts and
-- :lasts id, :base_ids, a mask that begins at the first, :workers and :numbers of the claim (null: no worker may hold them), :outcomes,
-- :delays in seconds, :errors. With :keep completed tasks stay; with :everything it is all or nothing. Answers with what was settled: the
-- group, the distance of a mask from the group's first task, the mask; and whether ends were noted, so that advance.sql has to follow.
--
-- It waits a moment only for a row that another session holds, and fails then (SQLSTATE 55P03). With `past` such rows are skipped, and
-- busy.sql finds them. Tasks that stay in the table, results and events are in blocks that are sent only for batches that have such. `back`
-- changes no text: claims may have to find tasks of the batch, or beside one in its segment.
--
-- Results come as rows of one result or of many of one group: :result_groups, the distance of the row from the group's first task, its
-- first task, its shape, a mask; the value if it is one, else where in :result_many its values start, from 1 on. Shapes hold what most
-- results share. Events name their group and the distance of their task, and so do the tasks
-- that are enqueued with what was settled: records of enqueue_recorded().
-- params: firsts uuid[], lasts uuid[], base_ids uuid[], masks bit varying[], workers bigint[], numbers integer[], outcomes text[],
-- params: delays double precision[], errors text[], keep boolean, everything boolean
-- params: result_groups integer[], result_distances integer[], result_ids uuid[], result_shapes integer[], result_masks bit varying[],
-- params: result_values bytea[], result_starts integer[], result_many bytea[], result_errors text[], result_metadata text[],
-- params: result_enqueued timestamptz[], result_started timestamptz[], result_finished timestamptz[], shape_statuses text[],
-- params: shape_codecs text[], shape_queues text[], shape_funcs text[], shape_workers text[], shape_attempts integer[],
-- params: shape_ttls double precision[]
-- params: event_groups integer[], event_distances integer[], event_ats timestamptz[], event_kinds text[], event_tasks uuid[],
-- params: event_queues text[], event_funcs text[], event_workers text[], event_attempts integer[], event_data text[]
-- params: enqueue_groups integer[], enqueue_distances integer[], enqueue_tasks text[]
-- index: tasks_id
-- locks: the tasks' rows, for update, in the order of ids, and the events, for 250 ms each
-- writes: tasks, end_notes, count_deltas; with blocks result_segments, events, further tasks; notifies
-- rows: whole
-- cursors: cleared if back
with given as materialized (
    select g.*, g.outcome in ('cancel', 'discard', 'expire') or (g.outcome = 'complete' and not :keep) as leaves
    from unnest(:firsts, :lasts, :base_ids, :masks, :workers, :numbers, :outcomes, :delays, :errors)
         with ordinality as g(first, last, base_id, mask, worker, number, outcome, delay, error, no)
    -- Within the statement, which saves a round trip and works behind poolers: it ends with the transaction.
    where (select set_config('lock_timeout', '250ms', true)) is not null
), singles as (
    -- Most often a task in a row of its own leaves: no need to find and lock it first.
    delete from {schema}.tasks t
-- if past
    using (select * from given where false order by first) g
-- else
    using (select * from given where leaves and length(mask) = 1 order by first) g
-- end
    where t.id = any (array[g.first]) and {of_one} and {settle_fence}
    returning g.no, t.queue, t.state, t.worker, t.claims > t.attempt as again, t.linked as is_linked
), found as materialized (
    select g.no, g.outcome, g.delay, g.error, g.leaves, t.id, t.count, t.distance, t.again, t.was, t.is_linked,
           {schema}.shift_mask(g.mask, t.distance, t.count) & ~coalesce(t.removed, {schema}.zeros(t.count)) as hits,
           coalesce(t.removed, {schema}.zeros(t.count)) as removed
    -- One order within this part. Batches that wait for each other in spite of it end by the limit above, and skip each other's rows then.
    from (select * from given g where g.no not in (select s.no from singles s) order by g.base_id, g.first) g
    cross join lateral (
        select * from (
            select t.id, t.count, t.removed, {schema}.offset_of(t.id) - {schema}.offset_of(g.first) as distance,
                   t.claims > t.attempt as again, t.state as was, t.linked as is_linked
            from {schema}.tasks t
            where t.id >= g.base_id and t.id < g.first and t.count > 1
              and {schema}.offset_of(g.first) - {schema}.offset_of(t.id) < t.count and {settle_fence}
-- if past
            for update skip locked) a
-- else
            for update) a
-- end
        union all
        select * from (
            select t.id, t.count, t.removed, {schema}.offset_of(t.id) - {schema}.offset_of(g.first) as distance,
                   t.claims > t.attempt as again, t.state as was, t.linked as is_linked
            from {schema}.tasks t
            where t.id >= g.first and t.id <= g.last and {settle_fence}
              -- A single task that is none of these is not even locked: it may be completing in the user's open transaction.
              and (t.count > 1
                   or substring(g.mask from {schema}.offset_of(t.id) - {schema}.offset_of(g.first) + 1 for 1) = B'1')
-- if past
            for update skip locked) b
-- else
            for update) b
-- end
    ) t
), rows as materialized (
    -- `stays`: the row stays as one, if no task in its middle or at its end was removed before, which may be ready by now.
    select f.id, f.count, bit_or(f.hits)::bit varying as hits,
           bool_or(not f.leaves) and count(*) = 1 and f.removed::text ~ '^1*0*$' as stays,
           bit_count(f.removed | bit_or(f.hits)) = f.count as whole
    from found f
    where bit_count(f.hits) > 0
    group by f.id, f.count, f.removed
), deleted as (
    delete from {schema}.tasks t using rows r
    where t.id = any (array[r.id]) and t.count = r.count and r.whole and not r.stays
    returning t.state, t.worker, r.hits
-- if stays
              , t.id, t.seq, t.count, t.payloads, t.run_at, t.expires_at, t.attempt, t.claims, t.error, {shared_columns}
-- else
              , t.queue
-- end
), marked as (
    update {schema}.tasks t
    set removed = coalesce(t.removed, {schema}.zeros(t.count)) | r.hits
    from rows r
    where t.id = any (array[r.id]) and t.count = r.count and not r.whole
    returning t.state, t.worker, r.hits
-- if stays
              , t.id, t.seq, t.count, t.payloads, t.run_at, t.expires_at, t.attempt, t.claims, t.error, {shared_columns}
-- else
              , t.queue
-- end
-- if stays
), changed as (
    update {schema}.tasks t
    set (state, attempt, run_at, expires_at, error, ended_at) = (select {settle_changes}), worker = null, claimed_at = null
    from rows r
    join found f on f.id = r.id and f.count = r.count
    -- The count in a way that no index serves: by it alone, a plan could read all of tasks_id.
    where t.id = any (array[r.id]) and t.count + 0 = r.count and r.whole and r.stays and bit_count(f.hits) > 0
    returning t.queue, t.state, {present}::integer as tasks, f.was
), apart as (
    -- A task that stays while others of its segment do not, or not in the same way, gets a row of its own.
    insert into {schema}.tasks (
        id, seq, payloads, claims, {shared_columns}, state, attempt, run_at, expires_at, error, ended_at)
    select {schema}.id_after(t.id, p.index), t.seq - t.count + 1 + p.index, t.payloads[p.index + 1:p.index + 1], t.claims,
           {shared_columns},
           {settle_changes}
    from (select * from deleted union all select * from marked) t
    join found f on f.id = t.id and f.count = t.count and not f.leaves
    cross join lateral generate_series(0, t.count - 1) as p(index)
    where get_bit(f.hits, p.index) = 1
    returning queue, state
-- end
), moved as (
    select s.queue, s.state, s.worker is not null as running, -1 as tasks from singles s
    union all
    select t.queue, t.state, t.worker is not null, -bit_count(t.hits)::integer from deleted t
    union all
    select t.queue, t.state, t.worker is not null, -bit_count(t.hits)::integer from marked t
-- if stays
    union all
    -- What stays was running: without a claim only a blocked task does.
    select c.queue, h.state, h.running, h.tasks
    from changed c, lateral (values (c.was, c.was = {ready}, -c.tasks), (c.state, false, c.tasks)) as h(state, running, tasks)
    union all
    select a.queue, a.state, false, 1 from apart a
-- end
), {deltas}, done as (
    -- `again`: a task that was claimed more often than its attempts say (released, or retried as a dead letter), or whose id the user
    -- chose, may have a result from an earlier life.
    select s.no, 0 as distance, B'1'::bit varying as hits, s.again, s.is_linked from singles s
    union all
    select f.no, f.distance, f.hits::bit varying, f.again, f.is_linked from found f where bit_count(f.hits) > 0
), noted as (
    -- In the transaction that ends them, and so never forgotten.
    insert into {schema}.end_notes (tasks, how)
    select array_agg({schema}.id_after(g.first, d.distance + p.index)), g.how
    from (select * from done where is_linked) d
    join (select g.no, g.first, case g.outcome when 'complete' then 1 when 'fail' then 2 else 3 end as how
          from given g where g.leaves or g.outcome in ('complete', 'fail')) g on g.no = d.no
    cross join lateral generate_series(0, length(d.hits) - 1) as p(index)
    where get_bit(d.hits, p.index) = 1
    group by g.how
-- if results
), cleared as materialized (
    -- Results of earlier lives of these tasks are removed first, each base id once, in one call, because a call costs more than a result.
    select {schema}.remove_results(array_agg(w.first order by w.first), array_agg(w.mask order by w.first))
    from (
        select {schema}.id_after(v.base_id, v.low) as first,
               bit_or({schema}.shift_mask(v.hits, v.low - v.first_offset, v.high - v.low))::bit varying as mask
        from (
            select u.*, min(u.first_offset) over segment as low, max(u.first_offset + length(u.hits)) over segment as high
            from (
                select {schema}.id_after(r.task_id, -{schema}.offset_of(r.task_id)) as base_id,
                       {schema}.offset_of(r.task_id) + p.low - r.distance as first_offset,
                       (substring(r.mask from p.low - r.distance + 1 for greatest(p.high - p.low, 0))
                        & substring(d.hits from p.low - d.distance + 1 for greatest(p.high - p.low, 0)))::bit varying as hits
                from unnest(:result_groups, :result_distances, :result_ids, :result_masks) as r(no, distance, task_id, mask)
                join done d on d.no = r.no and d.again
                cross join lateral (
                    select greatest(r.distance, d.distance) as low,
                           least(r.distance + length(r.mask), d.distance + length(d.hits)) as high) p
            ) u
            where bit_count(u.hits) > 0
            window segment as (partition by u.base_id)
        ) v
        group by v.base_id, v.low
    ) w
    having count(*) > 0
), stored as (
    -- A row of results whose tasks stand in several rows is split as they are.
    insert into {schema}.result_segments (
        task_id, count, removed, "values", status, codec, error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select {schema}.id_after(r.task_id, p.low - r.distance), p.high - p.low,
           case when bit_count(h.hits) < p.high - p.low then (~h.hits)::bit varying end,
           case when r.start is null then array[r.value]
                else (:result_many)[r.start + p.low - r.distance:r.start + p.high - r.distance - 1] end,
           (:shape_statuses)[r.shape], (:shape_codecs)[r.shape], r.error::jsonb, (:shape_queues)[r.shape],
           (:shape_funcs)[r.shape], (:shape_workers)[r.shape], (:shape_attempts)[r.shape], r.metadata::jsonb,
           r.enqueued_at, r.started_at, r.finished_at,
           coalesce(clock_timestamp() + make_interval(secs => (:shape_ttls)[r.shape]), 'infinity')
    from unnest(:result_groups, :result_distances, :result_ids, :result_shapes, :result_masks, :result_values, :result_starts,
                :result_errors, :result_metadata, :result_enqueued, :result_started, :result_finished)
         as r(no, distance, task_id, shape, mask, value, start, error, metadata, enqueued_at, started_at, finished_at)
    join done d on d.no = r.no
    cross join lateral (
        select greatest(r.distance, d.distance) as low,
               least(r.distance + length(r.mask), d.distance + length(d.hits)) as high) p
    cross join lateral (
        select substring(r.mask from p.low - r.distance + 1 for greatest(p.high - p.low, 0))
               & substring(d.hits from p.low - d.distance + 1 for greatest(p.high - p.low, 0)) as hits) h
    -- The second condition makes this part wait for `cleared`.
    where bit_count(h.hits) > 0 and (select count(*) from cleared) >= 0
-- end
-- if events
), logged as materialized (
    -- By a function, whose statement takes its locks within the limit: those on tables that this statement names are taken before it begins.
    select {schema}.log_events(
        array_agg(e.at), array_agg(e.kind), array_agg(e.task_id), array_agg(e.queue), array_agg(e.func), array_agg(e.worker),
        array_agg(e.attempt), array_agg(e.data))
    from (
        select r.*
        from unnest(:event_groups, :event_distances, :event_ats, :event_kinds, :event_tasks, :event_queues, :event_funcs,
                    :event_workers, :event_attempts, :event_data)
             with ordinality as r(no, distance, at, kind, task_id, queue, func, worker, attempt, data, rank)
        join done d on case when d.no = r.no and r.distance - d.distance between 0 and length(d.hits) - 1
                            then get_bit(d.hits, r.distance - d.distance) = 1 end
        order by r.rank
    ) e
    having count(*) > 0
-- end
-- if enqueues
), enqueued as materialized (
    select {schema}.enqueue_recorded(jsonb_agg(e.task order by e.rank))
    from (
        select r.task::jsonb as task, r.rank
        from unnest(:enqueue_groups, :enqueue_distances, :enqueue_tasks) with ordinality as r(no, distance, task, rank)
        join done d on case when d.no = r.no and r.distance - d.distance between 0 and length(d.hits) - 1
                            then get_bit(d.hits, r.distance - d.distance) = 1 end
    ) e
    having count(*) > 0
-- end
)
select coalesce(array_agg(d.no), '{}'), coalesce(array_agg(d.distance), '{}'), coalesce(array_agg(d.hits), '{}'), coalesce(bool_or(d.is_linked), false),
       -- The refusal is raised by being selected.
       case when :everything and coalesce(sum(bit_count(d.hits)), 0) < (select sum(bit_count(g.mask)) from given g)
            then {schema}.refuse('OQ001', format('task %s is not held by this claim (any more): nothing was changed', (
                select {schema}.id_after(g.first, position(B'1' in m.missing) - 1)
                from given g
                cross join lateral (
                    select g.mask & ~coalesce((
                        select bit_or({schema}.shift_mask(d.hits, -d.distance, length(g.mask)))
                        from done d where d.no = g.no), {schema}.zeros(length(g.mask)))) as m(missing)
                where bit_count(m.missing) > 0
                limit 1))) end
-- if stays
       , (select count(pg_notify({channel}, q.queue))
          -- Scheduled ones notify, too: an idle worker knows of those only that there were when its wait began.
          from (select c.queue from changed c where c.state in ({scheduled}, {ready})
                union select a.queue from apart a where a.state in ({scheduled}, {ready})) q
          where {schema}.has_listener(q.queue))
-- end
-- if events
       , (select count(*) from logged)
-- end
-- if enqueues
       , (select count(*) from enqueued)
-- end
       -- Rings those who wait for an end; while nobody does, this asks for one lock.
       , case when {schema}.has_waits('')
              then (select {schema}.ring(array_agg({schema}.id_after(g.first, e.distance)), array_agg(e.hits))
                    from done e join given g on g.no = e.no
                    where g.leaves or g.outcome in ('complete', 'fail')) end
from done d
