-- Changes a task that no worker holds. Null leaves a value as it is. Runs after single_out.sql.
-- params: id uuid, queue text, priority smallint, run_at timestamptz, payload bytea, codec text, max_retries integer, metadata jsonb
-- index: tasks_id
-- locks: the task, for update; keys
-- writes: tasks, keys, count_deltas; notifies
-- rows: of one task
-- cursors: cleared
with given as (
    select :id as id
), {locked}, asked as materialized (
    select h.id, h.worker is not null or h.state not in ({scheduled}, {ready}, {blocked}) as busy, h.queue as old_queue, h.state as old_state,
           case when h.worker is not null then 'running' when h.state = {dead} then 'dead' else 'completed' end as named
    from locked h
), without_key as materialized (
    -- One that has expired is revived by another start time.
    select k.key, k.holder from {schema}.retake_keys(array(select h.id from locked h)) k where :run_at is not null
), changed as (
    update {schema}.tasks t
    set queue = coalesce(:queue, t.queue),
        priority = coalesce(:priority, t.priority),
        run_at = case when :run_at is null then t.run_at else greatest(:run_at, clock_timestamp()) end,
        expires_at = case when :run_at is null then t.expires_at
                          else {schema}.expiry(t, greatest(:run_at, clock_timestamp())) end,
        state = case when h.old_state = {blocked} then h.old_state when coalesce(:run_at, t.run_at) > clock_timestamp() then {scheduled} else {ready} end,
        payloads = case when :payload is null then t.payloads else array[:payload] end,
        codec = coalesce(:codec, t.codec),
        max_retries = coalesce(:max_retries, t.max_retries),
        metadata = coalesce(:metadata, t.metadata)
    from asked h
    where t.id = any (array[h.id]) and {of_one} and not h.busy and not exists (select from without_key)
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
                then {schema}.refuse('OQ003', format('there is no task %s', :id))
                when (select busy from asked)
                then {schema}.refuse('OQ004', format('task %s is %s and cannot be changed: only a waiting task can; retry a dead letter first', :id,
                            (select named from asked)))
                when exists (select from without_key)
                then (select {schema}.refuse('OQ004', format('task %s has expired, and its key "%s" is held by task %s by now', :id, key, holder)) from without_key) end
)
select {task_columns}, (select count(*) from notified), (select count(*) from verdict)
from changed t
right join verdict on true
