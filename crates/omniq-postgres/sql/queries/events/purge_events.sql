-- Removes events from before this time, at most :limit, and counts them.
-- params: before timestamptz, limit bigint
-- index: _at_idx for now() - interval '1 day', 100
-- locks: the events, skip locked
-- writes: events
with deleted as (
    delete from {schema}.events
    where id = any (array(
        select id from {schema}.events where at < :before limit :limit for update skip locked))
    returning 1
)
select count(*) from deleted
