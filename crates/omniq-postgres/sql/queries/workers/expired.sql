-- About :limit waiting tasks whose time to live has ended, whole rows. Rows that another session holds by a lock are skipped.
-- params: limit bigint
-- index: tasks_expiring
-- locks: the tasks, skip locked
select {task_columns}
from (
    select t.*, sum(t.present) over (order by t.expires_at, t.id, t.count) - t.present as before
    from (
        select t.*, {present} as present
        from {schema}.tasks t
        where t.expires_at <= now() and t.state in ({scheduled}, {ready}) and t.worker is null
        order by t.expires_at
        limit :limit
        for update skip locked
    ) t
) t
where t.before < :limit
