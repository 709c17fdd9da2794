-- Removes events from before $1, at most $2.
delete from {schema}.events
where id in (
    select id from {schema}.events where at < $1 limit $2 for update skip locked)
