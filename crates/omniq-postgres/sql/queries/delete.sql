-- Removes tasks that nobody holds, all or none. Singled out before.
with given as (
    select distinct g.id from unnest($1::uuid[]) as g(id)
), held as materialized (
    select g.id, t.count, t.worker is not null as busy
    from (select id from given order by id) g
    cross join lateral {schema}.row_of(g.id) r
    cross join lateral (
        select t.count, t.worker from {schema}.tasks t where t.id = any (array[r.id]) and t.count = r.count for update
    ) t
), gone as (
    delete from {schema}.tasks t using held h
    where t.id = any (array[h.id]) and t.count = h.count and not h.busy
    returning t.queue, t.state, {present} as tasks
), moved as (
    select g.queue, g.state, false as held, -g.tasks as tasks from gone g
), {tallied}
select case when exists (select from given g where g.id not in (select id from held))
            then {schema}.refuse('OQ003', format('there is no task %s',
                 (select g.id from given g where g.id not in (select id from held) limit 1)))
            when exists (select from held where busy)
            then {schema}.refuse('OQ004', format('task %s is running',
                 (select id from held where busy limit 1))) end
