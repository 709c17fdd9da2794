-- $1 ids uuid[]
-- omniq: single_out
with wanted as materialized (
    select r.id, r.count, array_agg(u.id) as tasks
    from unnest($1) as u(id)
    cross join lateral "omniq".segment_of(u.id) r
    where r.count > 1
    group by r.id, r.count
    -- In one order, so that two calls never deadlock.
    order by r.id, r.count
), found as materialized (
    select t.id, t.count, t.removed, t.worker, w.tasks
    from wanted w
    cross join lateral (
        select t.id, t.count, t.removed, t.worker
        from "omniq".tasks t
        where t.id = any (array[w.id]) and t.count = w.count
        for update
    ) t
), split as materialized (
    select f.id, f.count, array_agg(p.index) as indexes
    from found f
    cross join lateral unnest(f.tasks) as u(id)
    cross join lateral (select "omniq".offset_of(u.id) - "omniq".offset_of(f.id)) as p(index)
    where f.worker is null and (f.removed is null or get_bit(f.removed, p.index) = 0)
    group by f.id, f.count
), deleted as (
    delete from "omniq".tasks t using split r where t.id = any (array[r.id]) and t.count = r.count
    returning t.*, r.indexes
), pieces as (
    select p.id, p.count, min(p.index) as first, max(p.index) as last
    from (
        select r.id, r.count, s.index, s.index = any (r.indexes) as single,
               count(*) filter (where s.index = any (r.indexes)) over (partition by r.id, r.count order by s.index) as before
        from deleted r
        cross join lateral generate_series(0, r.count - 1) as s(index)
        where r.removed is null or get_bit(r.removed, s.index) = 0
    ) p
    group by p.id, p.count, p.single, p.before
)
insert into "omniq".tasks (
    id, seq, count, removed, payloads, state, run_at, expires_at, attempt, claims, error, ended_at, queue, func, codec, priority, max_retries, options, metadata, created_at, linked)
select "omniq".id_after(r.id, p.first), r.seq - r.count + 1 + p.last, p.last - p.first + 1,
       substring(r.removed from p.first + 1 for p.last - p.first + 1), r.payloads[p.first + 1:p.last + 1], r.state,
       r.run_at, r.expires_at, r.attempt, r.claims, r.error, r.ended_at, queue, func, codec, priority, max_retries, options, metadata, created_at, linked
from pieces p
join deleted r on r.id = p.id and r.count = p.count
