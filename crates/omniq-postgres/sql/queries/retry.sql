-- Makes dead and scheduled tasks ready, all or none; a dead one starts anew. Singled out before.
with given as (
    select distinct g.id from unnest($1::uuid[]) as g(id)
), held as materialized (
    select g.id, t.count, t.worker is not null or t.state not in (0, 1, 3) as busy, t.state as was
    from (select id from given order by id) g
    cross join lateral {schema}.row_of(g.id) r
    cross join lateral (
        select t.count, t.worker, t.state from {schema}.tasks t where t.id = any (array[r.id]) and t.count = r.count for update
    ) t
), changed as (
    update {schema}.tasks t
    set state = 1,
        attempt = case when t.state = 3 then 0 else t.attempt end,
        run_at = clock_timestamp(),
        ended_at = null,
        expires_at = {schema}.expiry(t, clock_timestamp())
    from held h
    -- One that is ready already stays as it is: a retry does not lengthen its life.
    where t.id = any (array[h.id]) and t.count = h.count and not h.busy and t.state <> 1
    returning t.queue, h.was, {present} as tasks
), moved as (
    select c.queue, m.state, false as held, m.tasks
    from changed c
    cross join lateral (values (c.was, -c.tasks), (1::smallint, c.tasks)) as m(state, tasks)
), {tallied}, bell as (
    select pg_notify({channel}, q.queue)
    from (select distinct queue from changed) q
    where {schema}.sleeps(q.queue)
)
select case when exists (select from given g where g.id not in (select id from held))
            then {schema}.refuse('OQ003', format('there is no task %s',
                 (select g.id from given g where g.id not in (select id from held) limit 1)))
            when exists (select from held where busy)
            then {schema}.refuse('OQ004', format('task %s is running or completed',
                 (select id from held where busy limit 1))) end,
       (select count(*) from bell)
