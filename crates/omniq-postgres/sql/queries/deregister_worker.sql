-- Removes a worker that holds nothing any more.
with beats as (
    delete from {schema}.heartbeats where worker = $1
)
delete from {schema}.workers where id = $1
