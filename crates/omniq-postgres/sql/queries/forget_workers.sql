-- Removes lost workers that hold nothing any more.
with awake as (
    delete from {schema}.sleepers where worker = any ($1)
)
delete from {schema}.workers where id = any ($1) and ended_at is not null
