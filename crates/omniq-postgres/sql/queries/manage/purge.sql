-- Removes tasks that no worker holds, by filter, and counts them. A row that this statement has waited for may have become others, which it
-- does not see: purge_left.sql says whether there is more.
-- params: queue text, state smallint, running boolean, func text, error text, error_start text,
-- params: since timestamptz, until timestamptz, max_seq bigint
-- index: tasks_ready for 'rare', 1, null, null, null, null, null, null, null
-- locks: the tasks, for update, in the order of ids
-- writes: tasks, end_notes, count_deltas; notifies
-- rows: whole
-- cursors: cleared, because claims pass over the rows while they are locked, and a failure leaves them
with mine as materialized (
    select t.ctid as tid
    from {schema}.tasks t
    where {task_filter} and t.worker is null
    -- In one order, so that two calls never deadlock.
    order by t.id, t.count
    for update
), deleted as (
    delete from {schema}.tasks t using mine m
    where t.ctid = m.tid
    returning t.queue, t.state, {present} as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), {gone}, {deltas}
select (select coalesce(sum(d.tasks), 0) from deleted d)::bigint,
       case when {schema}.has_waits('')
            then (select {schema}.ring(array_agg(d.id), array_agg((~coalesce(d.removed, {schema}.zeros(d.count)))::bit varying))
                  from deleted d) end
