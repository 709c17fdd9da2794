-- $1 firsts uuid[]
-- $2 workers int8[]
-- $3 numbers int4[]
-- $4 everything bool
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
)
select coalesce(array_agg(g.no), '{}'),
       -- The refusal is raised by being selected. settle.sql says which task it is.
       case when $4 and count(*) < cardinality($1)
            then "omniq".refuse('OQ001', 'a task is not held by its claim (any more), or not in a row of its own: nothing was changed') end
       -- Rings those who wait for an end; while nobody does, this asks for one lock.
       , case when count(*) > 0 and "omniq".has_waits('') then "omniq".ring(array_agg(g.id), null) end
from gone g
