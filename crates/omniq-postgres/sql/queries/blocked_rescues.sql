-- How many tasks lost workers ($1) still hold, because others hold their rows by a lock, up to a hundred, and who those are.
with blocked as materialized (
    select t.xmax as holder from {schema}.tasks t where t.state = 1 and t.worker = any ($1) limit 100
)
select (select count(*) from blocked), array({lock_holders})
