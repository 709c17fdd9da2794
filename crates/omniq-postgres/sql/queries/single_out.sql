-- Takes tasks that nobody holds out of their runs, each into a row of its own, and what is left of a run into shorter ones before
-- and behind them, so that their order stays: $1 ids, $2 for each the first id that its run can have. Those that a worker holds
-- stay where they are, locked until the end of the transaction.
with found as materialized (
    select f.id, f.count, f.worker, {schema}.place(g.id) - {schema}.place(f.id) as place
    from (select distinct u.id, u.base from unnest($1::uuid[], $2::uuid[]) as u(id, base) order by u.base, u.id) g
    cross join lateral (
        select t.id, t.count, t.worker
        from {schema}.tasks t
        where t.id >= g.base and t.id <= g.id and t.count > 1
          and {schema}.place(g.id) - {schema}.place(t.id) < t.count
          and (t.gone is null or get_bit(t.gone, {schema}.place(g.id) - {schema}.place(t.id)) = 0)
        for update
    ) f
), runs as materialized (
    select f.id, f.count, array_agg(f.place) as places from found f where f.worker is null group by f.id, f.count
), removed as (
    delete from {schema}.tasks t using runs r where t.id = any (array[r.id]) and t.count = r.count
    returning t.*, r.places
), pieces as (
    select p.id, p.count, min(p.place) as first, max(p.place) as last
    from (
        select r.id, r.count, s.place, s.place = any (r.places) as single,
               count(*) filter (where s.place = any (r.places)) over (partition by r.id, r.count order by s.place) as before
        from removed r
        cross join lateral generate_series(0, r.count - 1) as s(place)
        where r.gone is null or get_bit(r.gone, s.place) = 0
    ) p
    group by p.id, p.count, p.single, p.before
)
insert into {schema}.tasks (
    id, seq, queue, func, codec, count, gone, bodies, priority, state, run_at, expires_at, attempt, claims, max_retries, options,
    metadata, error, created_at, ended_at)
select {schema}.id_behind(r.id, p.first), r.seq - r.count + 1 + p.last, r.queue, r.func, r.codec, p.last - p.first + 1,
       substring(r.gone from p.first + 1 for p.last - p.first + 1), r.bodies[p.first + 1:p.last + 1], r.priority, r.state,
       r.run_at, r.expires_at, r.attempt, r.claims, r.max_retries, r.options, r.metadata, r.error, r.created_at, r.ended_at
from pieces p
join removed r on r.id = p.id and r.count = p.count
