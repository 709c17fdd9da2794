-- Removes about :limit tasks that have ended, and counts them: completed ones after :completed_after seconds, dead ones after :dead_after.
-- Null: never.
-- params: completed_after double precision, dead_after double precision, limit bigint
-- index: tasks_id, tasks_over
-- locks: the tasks, skip locked
-- writes: tasks, end_notes, count_deltas
-- rows: whole
-- cursors: kept: no claim looks at tasks that have ended
with over as materialized (
    select * from (
        select t.id, t.count from {schema}.tasks t
        where t.state = {completed} and t.ended_at < now() - make_interval(secs => :completed_after)
        order by t.ended_at limit :limit for update skip locked) completed
    union all
    select * from (
        select t.id, t.count from {schema}.tasks t
        where t.state = {dead} and t.ended_at < now() - make_interval(secs => :dead_after)
        order by t.ended_at limit :limit for update skip locked) dead
), deleted as (
    delete from {schema}.tasks t using over o
    where t.id = any (array[o.id]) and t.count = o.count
    returning t.queue, t.state, {present} as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), {gone}, {deltas}
select coalesce(sum(tasks), 0)::bigint from deleted
