-- Removes tasks that no worker holds, all or none. Runs behind single_out.sql.
with given as (
    select g.id from unnest($1::uuid[]) as g(id)
), {held}, deleted as (
    delete from {schema}.tasks t using held h
    where t.id = any (array[h.id]) and t.count = 1 and h.worker is null
    returning t.queue, t.state, {present} as tasks
), moved as (
    select d.queue, d.state, false as held, -d.tasks as tasks from deleted d
), {tallied}
select case when exists (select from given g where g.id not in (select id from held))
            then {schema}.refuse('OQ003', format('there is no task %s',
                 (select g.id from given g where g.id not in (select id from held) limit 1)))
            when exists (select from held where worker is not null)
            then {schema}.refuse('OQ004', format('task %s is running',
                 (select id from held where worker is not null limit 1))) end
