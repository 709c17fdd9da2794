-- Makes dead and scheduled tasks ready, all or none; a dead one starts anew, and takes its key again. Runs after single_out.sql.
-- params: ids uuid[]
-- index: tasks_id
-- locks: the tasks, for update; keys
-- writes: tasks, end_notes, keys, count_deltas; notifies
-- rows: of one task
-- cursors: cleared
with given as (
    select g.id from unnest(:ids) as g(id)
), {locked}, without_key as materialized (
    select k.task, k.key, k.holder from {schema}.retake_keys(array(select h.id from locked h)) k
), asked as materialized (
    select h.id, h.state as was, h.worker is not null or h.state not in ({scheduled}, {ready}, {dead}) as busy,
           case when h.worker is not null then 'running' when h.state = {blocked} then 'blocked' else 'completed' end as named
    from locked h
), changed as (
    update {schema}.tasks t
    set state = {retried},
        attempt = case when t.state = {dead} then 0 else t.attempt end,
        run_at = clock_timestamp(),
        ended_at = null,
        expires_at = {schema}.expiry(t, clock_timestamp())
    from asked h
    -- A ready task stays as it is: a retry does not extend its time to live. `was` is of the locked row: a condition on `t` would be
    -- evaluated on the row before the lock, and miss a task that has failed meanwhile.
    where t.id = any (array[h.id]) and {of_one} and not h.busy and h.was <> {ready} and h.id not in (select task from without_key)
    returning t.queue, t.state, h.was, {present} as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select c.queue, m.state, false as running, m.tasks
    from changed c
    cross join lateral (values (c.was, -c.tasks), (c.state, c.tasks)) as m(state, tasks)
), {retries}, {deltas}, notified as (
    select pg_notify({channel}, q.queue)
    from (select distinct queue from changed) q
    where {schema}.has_listener(q.queue)
)
select case when exists (select from given g where g.id not in (select id from locked))
            then {schema}.refuse('OQ003', format('there is no task %s',
                 (select g.id from given g where g.id not in (select id from locked) limit 1)))
            when exists (select from asked where busy)
            then (select {schema}.refuse('OQ004', format('task %s is %s and cannot be retried', id, named))
                  from asked where busy limit 1)
            when exists (select from without_key)
            then (select {schema}.refuse('OQ004', format('task %s cannot be retried: its key "%s" is held by task %s by now', task, key, holder),
                                         'Wait for that one''s end, or cancel it.')
                  from without_key limit 1) end,
       (select count(*) from notified)
