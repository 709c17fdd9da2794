-- Removes results whose time is over, at most $1.
delete from {schema}.results
where task_id in (
    select task_id from {schema}.results where expires_at <= now() limit $1 for update skip locked)
