-- Removes events from before $1, at most $2, and counts them.
with deleted as (
    delete from {schema}.events
    where id = any (array(
        select id from {schema}.events where at < $1 limit $2 for update skip locked))
    returning 1
)
select count(*) from deleted
