-- Withdraws tasks that nobody holds, and notes for the workers of the others that they are to be stopped. Singled out before.
-- Answers with the places of the withdrawn and of the asked ones.
with held as materialized (
    select g.id, t.count, t.worker, g.rank
    from (select u.id, u.rank from unnest($1::uuid[]) with ordinality as u(id, rank) order by u.id) g
    cross join lateral {schema}.row_of(g.id) r
    cross join lateral (
        select t.count, t.worker from {schema}.tasks t
        where t.id = any (array[r.id]) and t.count = r.count and t.state in (0, 1) for update
    ) t
), gone as (
    delete from {schema}.tasks t using held h
    where t.id = any (array[h.id]) and t.count = h.count and h.worker is null
    returning h.rank, t.queue, t.state, {present} as tasks
), moved as (
    select g.queue, g.state, false as held, -g.tasks as tasks from gone g
), {tallied}, asked as (
    update {schema}.workers w
    set cancelled = array(select distinct unnest(w.cancelled || r.ids))
    from (select h.worker, array_agg(h.id) as ids, array_agg(h.rank) as ranks
          from held h where h.worker is not null group by h.worker) r
    where w.id = r.worker
    returning r.ranks
)
select array(select rank from gone), array(select unnest(ranks) from asked)
