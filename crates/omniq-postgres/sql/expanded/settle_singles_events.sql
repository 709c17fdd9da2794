-- $1 firsts uuid[]
-- $2 workers int8[]
-- $3 numbers int4[]
-- $4 everything bool
-- $5 event_groups int4[]
-- $6 event_ats timestamptz[]
-- $7 event_kinds text[]
-- $8 event_tasks uuid[]
-- $9 event_queues text[]
-- $10 event_funcs text[]
-- $11 event_workers text[]
-- $12 event_attempts int4[]
-- $13 event_data text[]
-- omniq: settle_singles
with gone as (
    delete from "omniq".tasks t
    using (
        select g.* from unnest($1, $2, $3) with ordinality as g(id, worker, number, no)
        -- Within the statement, which saves a round trip and works behind poolers: it ends with the transaction.
        where (select set_config('lock_timeout', '250ms', true)) is not null
        order by g.id) g
    where t.id = any (array[g.id]) and t.count + 0 = 1 and t.worker = g.worker and t.claims = g.number and not t.linked
    returning g.no, t.id, t.queue, t.claims > t.attempt as again
), deltas as (
    -- What a worker holds is counted as running.
    insert into "omniq".count_deltas (queue, running)
    select g.queue, -count(*) from gone g group by g.queue
), logged as materialized (
    -- By a function, whose statement takes its locks within the limit: those on tables that this statement names are taken before it begins.
    select "omniq".log_events(
        array_agg(e.at), array_agg(e.kind), array_agg(e.task_id), array_agg(e.queue), array_agg(e.func), array_agg(e.worker),
        array_agg(e.attempt), array_agg(e.data))
    from (
        select r.*
        from unnest($5, $6, $7, $8, $9, $10, $11,
                    $12, $13)
             with ordinality as r(no, at, kind, task_id, queue, func, worker, attempt, data, rank)
        join gone g on g.no = r.no
        order by r.rank
    ) e
    having count(*) > 0
)
select coalesce(array_agg(g.no), '{}'),
       -- The refusal is raised by being selected. settle.sql says which task it is.
       case when $4 and count(*) < cardinality($1)
            then "omniq".refuse('OQ001', 'a task is not held by its claim (any more), or not in a row of its own: nothing was changed') end
       , (select count(*) from logged)
       -- Rings those who wait for an end; while nobody does, this asks for one lock.
       , case when count(*) > 0 and "omniq".has_waits('') then "omniq".ring(array_agg(g.id), null) end
from gone g
