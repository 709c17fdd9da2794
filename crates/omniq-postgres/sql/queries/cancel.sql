-- Withdraws tasks that no worker holds, if $2, and notes for the workers of the others that they are to be stopped. Runs behind
-- single_out.sql. Answers with the places of the withdrawn and of the noted ones among $1.
with given as (
    select u.id, u.rank from unnest($1::uuid[]) with ordinality as u(id, rank)
), {locked}, deleted as (
    delete from {schema}.tasks t using locked h
    where $2 and t.id = any (array[h.id]) and t.count = 1 and h.worker is null and h.state in (0, 1)
    returning t.id, t.queue, t.state, {present} as tasks
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), {deltas}, locked_workers as materialized (
    -- In the order of their ids, so that two calls never wait for each other.
    select w.id from {schema}.workers w
    where w.id = any (array(select h.worker from locked h where h.worker is not null))
    order by w.id
    for no key update
), asked as (
    update {schema}.workers w
    set cancelled = array(select distinct unnest(w.cancelled || r.ids))
    from (select h.worker, array_agg(h.id) as ids
          from locked h join locked_workers w on w.id = h.worker group by h.worker) r
    where w.id = any (array[r.worker])
    returning r.ids
)
select array(select g.rank from given g where g.id in (select id from deleted)),
       array(select g.rank from given g where g.id in (select unnest(ids) from asked))
