-- Removes a worker that holds nothing any more.
-- params: worker bigint
-- writes: workers, heartbeats
with beats as (
    delete from {schema}.heartbeats where worker = :worker
)
delete from {schema}.workers where id = :worker
