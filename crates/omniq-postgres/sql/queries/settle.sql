-- Settles tasks, each fenced by its claim. Those that have a claim and an outcome in common come as one group: $1 its first and
-- $2 its last id, $3 the first id that their runs can have, $4 mask from the first task on, $5 worker and $6 number of the claim
-- (null: nobody may hold them), $7 outcome, $8 delay in seconds, $9 error. $10 whether completed tasks are kept, $11 whether it
-- is all or nothing. It waits for a row that others hold for a moment only, and fails then (SQLSTATE 55P03); a second form passes over
-- such rows, which leaves them to busy.sql. What only outcomes need by which tasks stay is in the files settle_stays*.sql. Answers with what was settled: the group, how far behind the group's first task the mask begin, the mask.
with given as materialized (
    select g.*, g.outcome in ('cancel', 'discard', 'expire') or (g.outcome = 'complete' and not $10) as leaves
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bit varying[], $5::bigint[], $6::integer[], $7::text[],
                $8::double precision[], $9::text[])
         with ordinality as g(first, last, base_id, mask, worker, number, outcome, delay, error, no)
    -- Within the statement, which spares a round trip, and works behind poolers: it ends with the transaction.
    where (select set_config('lock_timeout', '250ms', true)) is not null
), singles as (
    -- Most often a task in a row of its own leaves: no need to look and lock before.
    delete from {schema}.tasks t
    using (select * from given where {singly} order by first) g
    where t.id = any (array[g.first]) and t.count = 1 and {settle_fence}
    returning g.no, t.queue, t.state, t.worker, t.claims > t.attempt as again
), found as materialized (
    select g.no, g.outcome, g.delay, g.error, g.leaves, t.id, t.count, t.distance, t.again,
           {schema}.shift_mask(g.mask, t.distance, t.count) & ~coalesce(t.removed, {schema}.zeros(t.count)) as hits,
           coalesce(t.removed, {schema}.zeros(t.count)) as removed
    -- One order within this part; batches that wait for each other all the same end by the limit above, and go past each other.
    from (select * from given g where g.no not in (select s.no from singles s) order by g.base_id, g.first) g
    cross join lateral (
        select * from (
            select t.id, t.count, t.removed, {schema}.offset_of(t.id) - {schema}.offset_of(g.first) as distance,
                   t.claims > t.attempt as again
            from {schema}.tasks t
            where t.id >= g.base_id and t.id < g.first and t.count > 1
              and {schema}.offset_of(g.first) - {schema}.offset_of(t.id) < t.count and {settle_fence}
            for update{past}) a
        union all
        select * from (
            select t.id, t.count, t.removed, {schema}.offset_of(t.id) - {schema}.offset_of(g.first) as distance,
                   t.claims > t.attempt as again
            from {schema}.tasks t
            where t.id >= g.first and t.id <= g.last and {settle_fence}
              -- Not even locked if it is none of these: it may be completing in an open transaction of a user's.
              and (t.count > 1
                   or substring(g.mask from {schema}.offset_of(t.id) - {schema}.offset_of(g.first) + 1 for 1) = B'1')
            for update{past}) b
    ) t
), rows as materialized (
    -- A row stays as one if nothing in its midst or at its end was taken out before and may stand in line by now.
    select f.id, f.count, bit_or(f.hits)::bit varying as hits,
           bool_or(not f.leaves) and count(*) = 1 and f.removed::text ~ '^1*0*$' as stays,
           bit_count(f.removed | bit_or(f.hits)) = f.count as whole
    from found f
    where bit_count(f.hits) > 0
    group by f.id, f.count, f.removed
), deleted as (
    delete from {schema}.tasks t using rows r
    where t.id = any (array[r.id]) and t.count = r.count and r.whole and not r.stays
    returning t.queue, t.state, t.worker, r.hits{stays_columns}
), marked as (
    update {schema}.tasks t
    set removed = coalesce(t.removed, {schema}.zeros(t.count)) | r.hits
    from rows r
    where t.id = any (array[r.id]) and t.count = r.count and not r.whole
    returning t.queue, t.state, t.worker, r.hits{stays_columns}
){stays}, moved as (
    select s.queue, s.state, s.worker is not null as running, -1 as tasks from singles s
    union all
    select t.queue, t.state, t.worker is not null, -bit_count(t.hits)::integer from deleted t
    union all
    select t.queue, t.state, t.worker is not null, -bit_count(t.hits)::integer from marked t{stays_moved}
), {deltas}, done as (
    -- A task that was claimed more often than its attempts say (released, or retried as a dead letter) or whose id the user chose
    -- may have a result from an earlier life.
    select s.no, 0 as distance, B'1'::bit varying as hits, s.again from singles s
    union all
    select f.no, f.distance, f.hits::bit varying, f.again from found f where bit_count(f.hits) > 0
){stored}{logged}
select coalesce(array_agg(d.no), '{}'), coalesce(array_agg(d.distance), '{}'), coalesce(array_agg(d.hits), '{}'),
       case when $11 and coalesce(sum(bit_count(d.hits)), 0) < (select sum(bit_count(g.mask)) from given g)
            then {schema}.refuse('OQ001', format('task %s is not held by this claim (any more): nothing was changed', (
                select {schema}.id_after(g.first, position(B'1' in m.missing) - 1)
                from given g
                cross join lateral (
                    select g.mask & ~coalesce((
                        select bit_or({schema}.shift_mask(d.hits, -d.distance, length(g.mask)))
                        from done d where d.no = g.no), {schema}.zeros(length(g.mask)))) as m(missing)
                where bit_count(m.missing) > 0
                limit 1))) end{stays_notify}
from done d
