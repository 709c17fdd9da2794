-- Removes lost workers that hold nothing any more.
with gone as (
    delete from {schema}.workers where id = any ($1) and ended_at is not null returning id
)
delete from {schema}.beats where worker in (select id from gone)
