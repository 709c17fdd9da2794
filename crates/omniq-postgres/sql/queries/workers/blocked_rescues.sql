-- How many tasks lost workers still hold because other sessions hold their rows by a lock, up to a hundred, and those sessions.
-- params: workers bigint[]
-- index: tasks_ready for '{1,2}'
-- read only
with blocked as materialized (
    select t.xmax as holder from {schema}.tasks t where t.state = {ready} and t.worker = any (:workers) limit 100
)
select (select count(*) from blocked), array({lock_holders})
