-- $1 id uuid
-- $2 queue text
-- $3 priority int2
-- $4 run_at timestamptz
-- $5 payload bytea
-- $6 codec text
-- $7 max_retries int4
-- $8 metadata jsonb
-- omniq: update
with given as (
    select $1 as id
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
), asked as materialized (
    select h.id, h.worker is not null or h.state not in (0, 1, 2) as busy, h.queue as old_queue, h.state as old_state,
           case when h.worker is not null then 'running' when h.state = 3 then 'dead' else 'completed' end as named
    from locked h
), without_key as materialized (
    -- One that has expired is revived by another start time.
    select k.key, k.holder from "omniq".retake_keys(array(select h.id from locked h)) k where $4 is not null
), changed as (
    update "omniq".tasks t
    set queue = coalesce($2, t.queue),
        priority = coalesce($3, t.priority),
        run_at = case when $4 is null then t.run_at else greatest($4, clock_timestamp()) end,
        expires_at = case when $4 is null then t.expires_at
                          else "omniq".expiry(t, greatest($4, clock_timestamp())) end,
        state = case when h.old_state = 2 then h.old_state when coalesce($4, t.run_at) > clock_timestamp() then 0 else 1 end,
        payloads = case when $5 is null then t.payloads else array[$5] end,
        codec = coalesce($6, t.codec),
        max_retries = coalesce($7, t.max_retries),
        metadata = coalesce($8, t.metadata)
    from asked h
    where t.id = any (array[h.id]) and t.count + 0 = 1 and not h.busy and not exists (select from without_key)
    returning t.*, (t.count - coalesce(bit_count(t.removed), 0)) as present, h.old_queue, h.old_state
), moved as (
    select m.queue, m.state, false as running, m.tasks
    from changed c
    cross join lateral (values (c.old_queue, c.old_state, -c.present), (c.queue, c.state, c.present)) as m(queue, state, tasks)
    where c.queue <> c.old_queue or c.state <> c.old_state
), deltas as (
    insert into "omniq".count_deltas (queue, ready, scheduled, running, dead, completed, blocked)
    select m.queue,
           sum(m.tasks) filter (where m.state = 1 and not m.running), sum(m.tasks) filter (where m.state = 0),
           sum(m.tasks) filter (where m.state = 1 and m.running), sum(m.tasks) filter (where m.state = 3),
           sum(m.tasks) filter (where m.state = 4), sum(m.tasks) filter (where m.state = 2)
    from moved m
    group by m.queue
), notified as (
    select pg_notify('omniq_092ce6ae226869cf', c.queue)
    from changed c
    where "omniq".has_listener(c.queue)
), verdict as (
    select case when not exists (select from asked)
                then "omniq".refuse('OQ003', format('there is no task %s', $1))
                when (select busy from asked)
                then "omniq".refuse('OQ004', format('task %s is %s and cannot be changed: only a waiting task can; retry a dead letter first', $1,
                            (select named from asked)))
                when exists (select from without_key)
                then (select "omniq".refuse('OQ004', format('task %s has expired, and its key "%s" is held by task %s by now', $1, key, holder)) from without_key) end
)
select t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked, (select count(*) from notified), (select count(*) from verdict)
from changed t
right join verdict on true
