-- Of what a settlement has passed over, that whose claim still holds: another session holds its row by a lock. $1 to $7 as in settle.sql.
-- Answers with the group, how far behind the group's first task the marks begin, the marks, and who holds.
with given as materialized (
    select g.*
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bit varying[], $5::bigint[], $6::integer[], $7::text[])
         with ordinality as g(first, last, base, marks, worker, number, outcome, no)
), found as materialized (
    select g.no, t.behind, t.xmax as holder,
           ({schema}.marks_from(g.marks, t.behind, t.count) & ~coalesce(t.removed, {schema}.zeros(t.count)))::bit varying as hits
    from given g
    cross join lateral (
        select * from (
            select t.count, t.removed, {schema}.place(t.id) - {schema}.place(g.first) as behind, t.xmax
            from {schema}.tasks t
            where t.id >= g.base and t.id < g.first and t.count > 1
              and {schema}.place(g.first) - {schema}.place(t.id) < t.count and {settle_fence}) a
        union all
        select * from (
            select t.count, t.removed, {schema}.place(t.id) - {schema}.place(g.first) as behind, t.xmax
            from {schema}.tasks t
            where t.id >= g.first and t.id <= g.last and {settle_fence}) b
    ) t
), held as (
    select * from found f where bit_count(f.hits) > 0
)
select coalesce(array_agg(h.no), '{}'), coalesce(array_agg(h.behind), '{}'), coalesce(array_agg(h.hits), '{}'),
       array({holders})
from held h
