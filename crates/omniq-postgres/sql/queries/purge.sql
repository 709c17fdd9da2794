-- Removes tasks that no worker holds and counts them: $1 queue, $2 state, $3 whether held, $4 function. Of a row that was waited for,
-- what it has become meanwhile is not seen here: purge_left.sql says whether there is more.
with mine as materialized (
    select t.ctid as tid
    from {schema}.tasks t
    where {task_filter} and t.worker is null
    -- One order for all, so that two calls never wait for each other.
    order by t.id, t.count
    for update
), deleted as (
    delete from {schema}.tasks t using mine m
    where t.ctid = m.tid
    returning t.queue, t.state, {present} as tasks
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), {deltas}
select coalesce(sum(tasks), 0)::bigint from deleted
