-- $1 before timestamptz
-- $2 limit int8
-- omniq: purge_events
with deleted as (
    delete from "omniq".events
    where id = any (array(
        select id from "omniq".events where at < $1 limit $2 for update skip locked))
    returning 1
)
select count(*) from deleted
