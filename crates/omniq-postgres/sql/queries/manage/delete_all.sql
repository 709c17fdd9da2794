-- Removes tasks that no worker holds, by filter: up to :limit rows after that of :after_id and :after_count. Answers with the number of tasks,
-- the number of rows that it saw, and the last of them.
-- params: queue text, state smallint, running boolean, func text, error text, error_start text,
-- params: since timestamptz, until timestamptz, max_seq bigint,
-- params: after_id uuid, after_count integer, limit bigint
-- index: tasks_ready for 'rare', 1, false, null, null, null, null, null, null, null, null, 1000
-- index: tasks_over for null, 3, null, null, null, null, null, null, null, null, null, 1000
-- index: tasks_over for null, 3, null, 'f', 'E', null, now(), null, null, null, null, 1000
-- index: tasks_over for null, 3, null, null, null, null, null, now(), 65536, null, null, 1000
-- index: tasks_id for null, null, null, null, null, null, null, null, null, '01920000-0000-7000-8000-000000000000', 0, 1000
-- locks: the tasks, for update, in the order of ids
-- writes: tasks, end_notes, count_deltas; notifies
-- rows: whole
-- cursors: cleared, because claims pass over the rows while they are locked, and a failure leaves them
with {page}, deleted as (
    delete from {schema}.tasks t using page p
    where t.id = any (array[p.id]) and t.count = p.count
    returning t.queue, t.state, {present} as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), {gone}, {deltas}
select coalesce((select sum(d.tasks) from deleted d), 0)::bigint, (select count(*) from seen), (select l.id from last l),
       (select l.count from last l),
       case when {schema}.has_waits('')
            then (select {schema}.ring(array_agg(d.id), array_agg((~coalesce(d.removed, {schema}.zeros(d.count)))::bit varying))
                  from deleted d) end
