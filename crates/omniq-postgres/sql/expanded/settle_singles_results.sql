-- $1 firsts uuid[]
-- $2 workers int8[]
-- $3 numbers int4[]
-- $4 everything bool
-- $5 result_groups int4[]
-- $6 result_shapes int4[]
-- $7 result_values bytea[]
-- $8 result_errors text[]
-- $9 result_metadata text[]
-- $10 result_enqueued timestamptz[]
-- $11 result_started timestamptz[]
-- $12 result_finished timestamptz[]
-- $13 shape_statuses text[]
-- $14 shape_codecs text[]
-- $15 shape_queues text[]
-- $16 shape_funcs text[]
-- $17 shape_workers text[]
-- $18 shape_attempts int4[]
-- $19 shape_ttls float8[]
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
), stored as (
    insert into "omniq".result_segments (
        task_id, "values", status, codec, error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select g.id, array[r.value], ($13)[r.shape], ($14)[r.shape], r.error::jsonb, ($15)[r.shape],
           ($16)[r.shape], ($17)[r.shape], ($18)[r.shape], r.metadata::jsonb,
           r.enqueued_at, r.started_at, r.finished_at,
           coalesce(clock_timestamp() + make_interval(secs => ($19)[r.shape]), 'infinity')
    from unnest($5, $6, $7, $8, $9, $10,
                $11, $12)
         as r(no, shape, value, error, metadata, enqueued_at, started_at, finished_at)
    join gone g on g.no = r.no
)
select coalesce(array_agg(g.no), '{}'),
       -- The refusal is raised by being selected. settle.sql says which task it is.
       case when $4 and count(*) < cardinality($1)
            then "omniq".refuse('OQ001', 'a task is not held by its claim (any more), or not in a row of its own: nothing was changed') end
       -- Rings those who wait for an end; while nobody does, this asks for one lock.
       , case when count(*) > 0 and "omniq".has_waits('') then "omniq".ring(array_agg(g.id), null) end
from gone g
