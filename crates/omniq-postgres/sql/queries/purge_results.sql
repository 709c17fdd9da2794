-- Removes results whose time is over, at most $1, and counts them.
with gone as (
    delete from {schema}.results
    where task_id = any (array(
        select task_id from {schema}.results where expires_at <= now() limit $1 for update skip locked))
    returning 1
)
select count(*) from gone
