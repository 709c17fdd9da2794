-- Waiting tasks whose time to live has ended, whole rows, until there are $1 tasks; not those whose rows others hold by a lock.
select {task_columns}
from (
    select t.*, sum(t.present) over (order by t.expires_at, t.id, t.count) - t.present as before
    from (
        select t.*, {present} as present
        from {schema}.tasks t
        where t.expires_at <= now() and t.state in (0, 1) and t.worker is null
        order by t.expires_at
        limit $1
        for update skip locked
    ) t
) t
where t.before < $1
