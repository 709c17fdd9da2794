-- Removes tasks that no worker holds, all or none. Runs after single_out.sql.
-- params: ids uuid[]
-- index: tasks_id
-- locks: the tasks, for update
-- writes: tasks, end_notes, count_deltas; notifies
-- rows: of one task
-- cursors: kept
with given as (
    select g.id from unnest(:ids) as g(id)
), {locked}, deleted as (
    delete from {schema}.tasks t using locked h
    where t.id = any (array[h.id]) and {of_one} and h.worker is null
    returning t.queue, t.state, {present} as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), {gone}, {deltas}
select case when exists (select from given g where g.id not in (select id from locked))
            then {schema}.refuse('OQ003', format('there is no task %s',
                 (select g.id from given g where g.id not in (select id from locked) limit 1)))
            when exists (select from locked where worker is not null)
            then {schema}.refuse('OQ004', format('task %s is running and cannot be deleted: cancel it',
                 (select id from locked where worker is not null limit 1))) end,
       case when {schema}.has_waits('') then {schema}.ring(array(select l.id from locked l), null) end
