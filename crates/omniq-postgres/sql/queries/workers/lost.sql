-- About :limit tasks that lost workers hold, whole rows. Rows that another session holds by a lock, such as that of a task that completes in a
-- transaction, are skipped: blocked_rescues.sql lists them.
-- params: workers bigint[], limit bigint
-- index: tasks_ready for '{1,2}', 100
-- locks: the tasks, skip locked
select {task_columns}, t.name
from (
    select t.*, sum(t.present) over (order by t.id, t.count) - t.present as before
    from (
        select t.*, w.name, {present} as present
        from {schema}.tasks t
        join {schema}.workers w on w.id = t.worker
        where t.state = {ready} and t.worker = any (:workers)
        limit :limit
        for update of t skip locked
    ) t
) t
where t.before < :limit
