-- Tasks that a settlement has skipped although their claim holds, because another session holds their rows by a lock. Parameters as in
-- settle.sql. Answers with the group, the distance of the mask from the group's first task, the mask, and the sessions that hold the rows.
-- params: firsts uuid[], lasts uuid[], base_ids uuid[], masks bit varying[], workers bigint[], numbers integer[], outcomes text[]
-- index: tasks_id
-- read only
with given as materialized (
    select g.*
    from unnest(:firsts, :lasts, :base_ids, :masks, :workers, :numbers, :outcomes)
         with ordinality as g(first, last, base_id, mask, worker, number, outcome, no)
), found as materialized (
    select g.no, t.distance, t.xmax as holder,
           ({schema}.shift_mask(g.mask, t.distance, t.count) & ~coalesce(t.removed, {schema}.zeros(t.count)))::bit varying as hits
    from given g
    cross join lateral (
        select * from (
            select t.count, t.removed, {schema}.offset_of(t.id) - {schema}.offset_of(g.first) as distance, t.xmax
            from {schema}.tasks t
            where t.id >= g.base_id and t.id < g.first and t.count > 1
              and {schema}.offset_of(g.first) - {schema}.offset_of(t.id) < t.count and {settle_fence}) a
        union all
        select * from (
            select t.count, t.removed, {schema}.offset_of(t.id) - {schema}.offset_of(g.first) as distance, t.xmax
            from {schema}.tasks t
            where t.id >= g.first and t.id <= g.last and {settle_fence}) b
    ) t
), blocked as (
    select * from found f where bit_count(f.hits) > 0
)
select coalesce(array_agg(h.no), '{}'), coalesce(array_agg(h.distance), '{}'), coalesce(array_agg(h.hits), '{}'),
       array({lock_holders})
from blocked h
