-- Removes a worker that holds nothing any more.
with awake as (
    delete from {schema}.sleepers where worker = $1
)
delete from {schema}.workers where id = $1
