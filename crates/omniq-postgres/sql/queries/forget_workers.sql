-- Removes those of the lost workers $1 that hold nothing any more, and counts them.
with deleted as (
    delete from {schema}.workers w
    where w.id = any ($1) and w.ended_at is not null
      and not exists (select from {schema}.tasks t where t.state = 1 and t.worker = w.id)
    returning w.id
), beats as (
    delete from {schema}.heartbeats b where b.worker in (select d.id from deleted d)
)
select count(*) from deleted
