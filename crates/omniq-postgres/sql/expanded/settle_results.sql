-- $1 firsts uuid[]
-- $2 lasts uuid[]
-- $3 base_ids uuid[]
-- $4 masks varbit[]
-- $5 workers int8[]
-- $6 numbers int4[]
-- $7 outcomes text[]
-- $8 delays float8[]
-- $9 errors text[]
-- $10 keep bool
-- $11 everything bool
-- $12 result_groups int4[]
-- $13 result_distances int4[]
-- $14 result_ids uuid[]
-- $15 result_shapes int4[]
-- $16 result_masks varbit[]
-- $17 result_values bytea[]
-- $18 result_starts int4[]
-- $19 result_many bytea[]
-- $20 result_errors text[]
-- $21 result_metadata text[]
-- $22 result_enqueued timestamptz[]
-- $23 result_started timestamptz[]
-- $24 result_finished timestamptz[]
-- $25 shape_statuses text[]
-- $26 shape_codecs text[]
-- $27 shape_queues text[]
-- $28 shape_funcs text[]
-- $29 shape_workers text[]
-- $30 shape_attempts int4[]
-- $31 shape_ttls float8[]
-- omniq: settle
with given as materialized (
    select g.*, g.outcome in ('cancel', 'discard', 'expire') or (g.outcome = 'complete' and not $10) as leaves
    from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
         with ordinality as g(first, last, base_id, mask, worker, number, outcome, delay, error, no)
    -- Within the statement, which saves a round trip and works behind poolers: it ends with the transaction.
    where (select set_config('lock_timeout', '250ms', true)) is not null
), singles as (
    -- Most often a task in a row of its own leaves: no need to find and lock it first.
    delete from "omniq".tasks t
    using (select * from given where leaves and length(mask) = 1 order by first) g
    where t.id = any (array[g.first]) and t.count + 0 = 1 and case when g.worker is not null then t.worker = g.worker and t.claims = g.number and g.outcome <> 'expire'
                   else t.worker is null
                        and (t.state in (0, 1) and (g.outcome = 'cancel' or g.outcome = 'expire' and t.expires_at <= now())
                             or t.state = 2
                                and (g.outcome = 'cancel'
                                     or g.outcome = 'fail' and exists (
                                         select from "omniq".nodes n join "omniq".waits w on w.id = n.wait
                                         where n.id = t.id and w.broken is not null))) end
    returning g.no, t.queue, t.state, t.worker, t.claims > t.attempt as again, t.linked as is_linked
), found as materialized (
    select g.no, g.outcome, g.delay, g.error, g.leaves, t.id, t.count, t.distance, t.again, t.was, t.is_linked,
           "omniq".shift_mask(g.mask, t.distance, t.count) & ~coalesce(t.removed, "omniq".zeros(t.count)) as hits,
           coalesce(t.removed, "omniq".zeros(t.count)) as removed
    -- One order within this part. Batches that wait for each other in spite of it end by the limit above, and skip each other's rows then.
    from (select * from given g where g.no not in (select s.no from singles s) order by g.base_id, g.first) g
    cross join lateral (
        select * from (
            select t.id, t.count, t.removed, "omniq".offset_of(t.id) - "omniq".offset_of(g.first) as distance,
                   t.claims > t.attempt as again, t.state as was, t.linked as is_linked
            from "omniq".tasks t
            where t.id >= g.base_id and t.id < g.first and t.count > 1
              and "omniq".offset_of(g.first) - "omniq".offset_of(t.id) < t.count and case when g.worker is not null then t.worker = g.worker and t.claims = g.number and g.outcome <> 'expire'
                   else t.worker is null
                        and (t.state in (0, 1) and (g.outcome = 'cancel' or g.outcome = 'expire' and t.expires_at <= now())
                             or t.state = 2
                                and (g.outcome = 'cancel'
                                     or g.outcome = 'fail' and exists (
                                         select from "omniq".nodes n join "omniq".waits w on w.id = n.wait
                                         where n.id = t.id and w.broken is not null))) end
            for update) a
        union all
        select * from (
            select t.id, t.count, t.removed, "omniq".offset_of(t.id) - "omniq".offset_of(g.first) as distance,
                   t.claims > t.attempt as again, t.state as was, t.linked as is_linked
            from "omniq".tasks t
            where t.id >= g.first and t.id <= g.last and case when g.worker is not null then t.worker = g.worker and t.claims = g.number and g.outcome <> 'expire'
                   else t.worker is null
                        and (t.state in (0, 1) and (g.outcome = 'cancel' or g.outcome = 'expire' and t.expires_at <= now())
                             or t.state = 2
                                and (g.outcome = 'cancel'
                                     or g.outcome = 'fail' and exists (
                                         select from "omniq".nodes n join "omniq".waits w on w.id = n.wait
                                         where n.id = t.id and w.broken is not null))) end
              -- A single task that is none of these is not even locked: it may be completing in the user's open transaction.
              and (t.count > 1
                   or substring(g.mask from "omniq".offset_of(t.id) - "omniq".offset_of(g.first) + 1 for 1) = B'1')
            for update) b
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
    delete from "omniq".tasks t using rows r
    where t.id = any (array[r.id]) and t.count = r.count and r.whole and not r.stays
    returning t.state, t.worker, r.hits
              , t.queue
), marked as (
    update "omniq".tasks t
    set removed = coalesce(t.removed, "omniq".zeros(t.count)) | r.hits
    from rows r
    where t.id = any (array[r.id]) and t.count = r.count and not r.whole
    returning t.state, t.worker, r.hits
              , t.queue
), moved as (
    select s.queue, s.state, s.worker is not null as running, -1 as tasks from singles s
    union all
    select t.queue, t.state, t.worker is not null, -bit_count(t.hits)::integer from deleted t
    union all
    select t.queue, t.state, t.worker is not null, -bit_count(t.hits)::integer from marked t
), deltas as (
    insert into "omniq".count_deltas (queue, ready, scheduled, running, dead, completed, blocked)
    select m.queue,
           sum(m.tasks) filter (where m.state = 1 and not m.running), sum(m.tasks) filter (where m.state = 0),
           sum(m.tasks) filter (where m.state = 1 and m.running), sum(m.tasks) filter (where m.state = 3),
           sum(m.tasks) filter (where m.state = 4), sum(m.tasks) filter (where m.state = 2)
    from moved m
    group by m.queue
), done as (
    -- `again`: a task that was claimed more often than its attempts say (released, or retried as a dead letter), or whose id the user
    -- chose, may have a result from an earlier life.
    select s.no, 0 as distance, B'1'::bit varying as hits, s.again, s.is_linked from singles s
    union all
    select f.no, f.distance, f.hits::bit varying, f.again, f.is_linked from found f where bit_count(f.hits) > 0
), noted as (
    -- In the transaction that ends them, and so never forgotten.
    insert into "omniq".end_notes (tasks, how)
    select array_agg("omniq".id_after(g.first, d.distance + p.index)), g.how
    from (select * from done where is_linked) d
    join (select g.no, g.first, case g.outcome when 'complete' then 1 when 'fail' then 2 else 3 end as how
          from given g where g.leaves or g.outcome in ('complete', 'fail')) g on g.no = d.no
    cross join lateral generate_series(0, length(d.hits) - 1) as p(index)
    where get_bit(d.hits, p.index) = 1
    group by g.how
), cleared as materialized (
    -- Results of earlier lives of these tasks are removed first, each base id once, in one call, because a call costs more than a result.
    select "omniq".remove_results(array_agg(w.first order by w.first), array_agg(w.mask order by w.first))
    from (
        select "omniq".id_after(v.base_id, v.low) as first,
               bit_or("omniq".shift_mask(v.hits, v.low - v.first_offset, v.high - v.low))::bit varying as mask
        from (
            select u.*, min(u.first_offset) over segment as low, max(u.first_offset + length(u.hits)) over segment as high
            from (
                select "omniq".id_after(r.task_id, -"omniq".offset_of(r.task_id)) as base_id,
                       "omniq".offset_of(r.task_id) + p.low - r.distance as first_offset,
                       (substring(r.mask from p.low - r.distance + 1 for greatest(p.high - p.low, 0))
                        & substring(d.hits from p.low - d.distance + 1 for greatest(p.high - p.low, 0)))::bit varying as hits
                from unnest($12, $13, $14, $16) as r(no, distance, task_id, mask)
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
    insert into "omniq".result_segments (
        task_id, count, removed, "values", status, codec, error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select "omniq".id_after(r.task_id, p.low - r.distance), p.high - p.low,
           case when bit_count(h.hits) < p.high - p.low then (~h.hits)::bit varying end,
           case when r.start is null then array[r.value]
                else ($19)[r.start + p.low - r.distance:r.start + p.high - r.distance - 1] end,
           ($25)[r.shape], ($26)[r.shape], r.error::jsonb, ($27)[r.shape],
           ($28)[r.shape], ($29)[r.shape], ($30)[r.shape], r.metadata::jsonb,
           r.enqueued_at, r.started_at, r.finished_at,
           coalesce(clock_timestamp() + make_interval(secs => ($31)[r.shape]), 'infinity')
    from unnest($12, $13, $14, $15, $16, $17, $18,
                $20, $21, $22, $23, $24)
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
)
select coalesce(array_agg(d.no), '{}'), coalesce(array_agg(d.distance), '{}'), coalesce(array_agg(d.hits), '{}'), coalesce(bool_or(d.is_linked), false),
       -- The refusal is raised by being selected.
       case when $11 and coalesce(sum(bit_count(d.hits)), 0) < (select sum(bit_count(g.mask)) from given g)
            then "omniq".refuse('OQ001', format('task %s is not held by this claim (any more): nothing was changed', (
                select "omniq".id_after(g.first, position(B'1' in m.missing) - 1)
                from given g
                cross join lateral (
                    select g.mask & ~coalesce((
                        select bit_or("omniq".shift_mask(d.hits, -d.distance, length(g.mask)))
                        from done d where d.no = g.no), "omniq".zeros(length(g.mask)))) as m(missing)
                where bit_count(m.missing) > 0
                limit 1))) end
       -- Rings those who wait for an end; while nobody does, this asks for one lock.
       , case when "omniq".has_waits('')
              then (select "omniq".ring(array_agg("omniq".id_after(g.first, e.distance)), array_agg(e.hits))
                    from done e join given g on g.no = e.no
                    where g.leaves or g.outcome in ('complete', 'fail')) end
from done d
