-- Withdraws tasks that nobody holds, and notes for the workers of the others that they are to be stopped.
-- Answers with the places of the withdrawn and of the asked ones.
with held as materialized (
    select t.id, t.count, t.worker, g.place
    from (select u.id, u.place from unnest($1::uuid[]) with ordinality as u(id, place) order by u.id) g
    cross join lateral (
        select t.id, t.count, t.worker from {schema}.tasks t where t.id = g.id and t.state in (0, 1) for update
    ) t
), gone as (
    delete from {schema}.tasks t using held h
    where t.id = any (array[h.id]) and t.count = h.count and h.worker is null
    returning h.place
), asked as (
    update {schema}.workers w
    set cancelled = array(select distinct unnest(w.cancelled || r.ids))
    from (select h.worker, array_agg(h.id) as ids, array_agg(h.place) as places
          from held h where h.worker is not null group by h.worker) r
    where w.id = r.worker
    returning r.places
)
select array(select place from gone), array(select unnest(places) from asked)
