-- Tasks that lost workers hold, whole rows, until there are enough: $1 the workers, $2 how many tasks are enough. Rows that another
-- session holds by a lock, as one that completes a task in a transaction, are passed over: held_up.sql tells of them.
select {task_columns}, t.name
from (
    select t.*, sum(t.present) over (order by t.id, t.count) - t.present as before
    from (
        select t.*, w.name, {present} as present
        from {schema}.tasks t
        join {schema}.workers w on w.id = t.worker
        where t.state = 1 and t.worker = any ($1)
        limit $2
        for update of t skip locked
    ) t
) t
where t.before < $2
