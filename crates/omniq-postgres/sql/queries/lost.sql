-- Tasks that lost workers hold, whole rows, until there are enough: $1 the workers, $2 how many tasks are enough.
select {task_columns}, t.name
from (
    select t.*, sum(t.present) over (order by t.id, t.count) - t.present as before
    from (
        select t.*, w.name, {present} as present
        from {schema}.tasks t
        join {schema}.workers w on w.id = t.worker
        where t.state = 1 and t.worker = any ($1)
        limit $2
    ) t
) t
where t.before < $2
