-- Makes dead or scheduled tasks ready, by filter: up to :limit rows after that of :after_id and :after_count; dead ones start anew, but for those whose key another task holds by now. Answers with
-- the number of tasks, the number of rows that it saw, and the last of them. The filter names the state, which is one of the two.
-- params: queue text, state smallint, running boolean, func text, error text, error_start text,
-- params: since timestamptz, until timestamptz, max_seq bigint,
-- params: after_id uuid, after_count integer, limit bigint
-- index: tasks_due for 'rare', 0, null, null, null, null, null, null, null, null, null, 1000
-- index: tasks_over for null, 3, null, null, null, null, null, null, null, null, null, 1000
-- index: tasks_over for null, 3, null, 'f', 'E', null, now(), null, null, null, null, 1000
-- locks: the tasks, for update, in the order of ids; keys
-- writes: tasks, end_notes, keys, count_deltas; notifies
-- rows: whole
-- cursors: cleared
with {page}, without_key as materialized (
    -- Tasks that are unique have rows of their own.
    select k.task from {schema}.retake_keys(array(select p.id from page p where p.count = 1)) k
), changed as (
    update {schema}.tasks t
    set state = {retried},
        attempt = case when p.state = {dead} then 0 else t.attempt end,
        run_at = clock_timestamp(),
        ended_at = null,
        expires_at = {schema}.expiry(t, clock_timestamp())
    from page p
    where t.id = any (array[p.id]) and t.count = p.count and p.state in ({scheduled}, {dead}) and p.id not in (select task from without_key)
    returning t.queue, t.state, p.state as was, {present} as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select c.queue, m.state, false as running, m.tasks
    from changed c
    cross join lateral (values (c.was, -c.tasks), (c.state, c.tasks)) as m(state, tasks)
), {retries}, {deltas}, notified as (
    select pg_notify({channel}, q.queue)
    from (select distinct queue from changed) q
    where {schema}.has_listener(q.queue)
)
select coalesce((select sum(c.tasks) from changed c), 0)::bigint, (select count(*) from seen), (select l.id from last l),
       (select l.count from last l), (select count(*) from notified)
