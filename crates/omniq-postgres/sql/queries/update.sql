-- Changes a task that no worker holds. Runs behind single_out.sql: $1 id, then the new queue, priority, start time, arguments and their codec, extra runs,
-- metadata; null leaves a value as it is.
with given as (
    select $1::uuid as id
), {locked}, asked as materialized (
    select h.id, h.worker is not null or h.state not in (0, 1) as busy, h.queue as old_queue, h.state as old_state
    from locked h
), changed as (
    update {schema}.tasks t
    set queue = coalesce($2::text, t.queue),
        priority = coalesce($3::smallint, t.priority),
        run_at = case when $4::timestamptz is null then t.run_at else greatest($4, clock_timestamp()) end,
        expires_at = case when $4::timestamptz is null then t.expires_at
                          else {schema}.expiry(t, greatest($4, clock_timestamp())) end,
        state = case when coalesce($4::timestamptz, t.run_at) > clock_timestamp() then 0 else 1 end,
        payloads = case when $5::bytea is null then t.payloads else array[$5] end,
        codec = coalesce($6::text, t.codec),
        max_retries = coalesce($7::integer, t.max_retries),
        metadata = coalesce($8::jsonb, t.metadata)
    from asked h
    where t.id = any (array[h.id]) and t.count = 1 and not h.busy
    returning t.*, {present} as present, h.old_queue, h.old_state
), moved as (
    select m.queue, m.state, false as running, m.tasks
    from changed c
    cross join lateral (values (c.old_queue, c.old_state, -c.present), (c.queue, c.state, c.present)) as m(queue, state, tasks)
    where c.queue <> c.old_queue or c.state <> c.old_state
), {deltas}, notified as (
    select pg_notify({channel}, c.queue)
    from changed c
    where {schema}.has_listener(c.queue)
), verdict as (
    select case when not exists (select from asked)
                then {schema}.refuse('OQ003', format('there is no task %s', $1))
                when (select busy from asked)
                then {schema}.refuse('OQ004', format('task %s is running or has ended', $1)) end
)
select {task_columns}, (select count(*) from notified), (select count(*) from verdict)
from changed t
right join verdict on true
