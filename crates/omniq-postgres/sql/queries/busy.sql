-- Of what a settlement has passed over, that whose claim still holds: another session holds its row by a lock. $1 to $7 as in settle.sql.
-- Answers with the group, how far behind the group's first task the mask begin, the mask, and who holds.
with given as materialized (
    select g.*
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bit varying[], $5::bigint[], $6::integer[], $7::text[])
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
