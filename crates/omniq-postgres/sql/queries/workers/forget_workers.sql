-- Removes those of the lost workers that hold nothing any more, and counts them.
-- params: workers bigint[]
-- index: tasks_ready for '{1,2}'
-- writes: workers, heartbeats
with deleted as (
    delete from {schema}.workers w
    where w.id = any (:workers) and w.ended_at is not null
      and not exists (select from {schema}.tasks t where t.state = {ready} and t.worker = w.id)
    returning w.id
), beats as (
    delete from {schema}.heartbeats b where b.worker in (select d.id from deleted d)
)
select count(*) from deleted
