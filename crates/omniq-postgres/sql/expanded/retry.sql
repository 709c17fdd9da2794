-- $1 ids uuid[]
-- omniq: retry
with given as (
    select g.id from unnest($1) as g(id)
), locked as materialized (
    -- The tasks in `given` that exist, each in a row of its own after single_out.sql, or in the row that a worker holds; locked. If the row
    -- that this statement saw is gone once the lock is granted, the task has moved to another row: then the transaction is rolled back and
    -- repeated.
    select g.id, t.worker, t.state, t.queue, t.seq - r.count + 1 + "omniq".offset_of(g.id) - "omniq".offset_of(r.id) as seq
    from (select distinct id from given order by id) g
    cross join lateral "omniq".segment_of(g.id) r
    left join lateral (
        select t.worker, t.state, t.queue, t.seq
        from "omniq".tasks t
        where t.id = any (array[r.id]) and t.count = r.count and (t.count = 1 or t.worker is not null)
          and case when t.id = r.id and t.count = r.count
                   then t.removed is null or get_bit(t.removed, "omniq".offset_of(g.id) - "omniq".offset_of(r.id)) = 0 end
        for update
    ) t on true
    where case when t.state is null then "omniq".refuse('OQ005', format('task %s has moved to another row', g.id))
               else true end
), without_key as materialized (
    select k.task, k.key, k.holder from "omniq".retake_keys(array(select h.id from locked h)) k
), asked as materialized (
    select h.id, h.state as was, h.worker is not null or h.state not in (0, 1, 3) as busy,
           case when h.worker is not null then 'running' when h.state = 2 then 'blocked' else 'completed' end as named
    from locked h
), changed as (
    update "omniq".tasks t
    set state = -- One that waits for others may have to wait again; advance.sql looks.
        case when t.linked and t.state = 3 and exists (select from "omniq".nodes n where n.id = t.id and n.wait is not null)
             then 2 else 1 end,
        attempt = case when t.state = 3 then 0 else t.attempt end,
        run_at = clock_timestamp(),
        ended_at = null,
        expires_at = "omniq".expiry(t, clock_timestamp())
    from asked h
    -- A ready task stays as it is: a retry does not extend its time to live. `was` is of the locked row: a condition on `t` would be
    -- evaluated on the row before the lock, and miss a task that has failed meanwhile.
    where t.id = any (array[h.id]) and t.count + 0 = 1 and not h.busy and h.was <> 1 and h.id not in (select task from without_key)
    returning t.queue, t.state, h.was, (t.count - coalesce(bit_count(t.removed), 0)) as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select c.queue, m.state, false as running, m.tasks
    from changed c
    cross join lateral (values (c.was, -c.tasks), (c.state, c.tasks)) as m(state, tasks)
), noted as (
    insert into "omniq".end_notes (tasks, how)
    select array_agg("omniq".id_after(c.id, p.index)), 4
    from changed c
    cross join lateral generate_series(0, c.count - 1) as p(index)
    where c.linked and c.was = 3 and (c.removed is null or get_bit(c.removed, p.index) = 0)
    having count(*) > 0
), deltas as (
    insert into "omniq".count_deltas (queue, ready, scheduled, running, dead, completed, blocked)
    select m.queue,
           sum(m.tasks) filter (where m.state = 1 and not m.running), sum(m.tasks) filter (where m.state = 0),
           sum(m.tasks) filter (where m.state = 1 and m.running), sum(m.tasks) filter (where m.state = 3),
           sum(m.tasks) filter (where m.state = 4), sum(m.tasks) filter (where m.state = 2)
    from moved m
    group by m.queue
), notified as (
    select pg_notify('omniq_092ce6ae226869cf', q.queue)
    from (select distinct queue from changed) q
    where "omniq".has_listener(q.queue)
)
select case when exists (select from given g where g.id not in (select id from locked))
            then "omniq".refuse('OQ003', format('there is no task %s',
                 (select g.id from given g where g.id not in (select id from locked) limit 1)))
            when exists (select from asked where busy)
            then (select "omniq".refuse('OQ004', format('task %s is %s and cannot be retried', id, named))
                  from asked where busy limit 1)
            when exists (select from without_key)
            then (select "omniq".refuse('OQ004', format('task %s cannot be retried: its key "%s" is held by task %s by now', task, key, holder),
                                         'Wait for that one''s end, or cancel it.')
                  from without_key limit 1) end,
       (select count(*) from notified)
