-- $1 workers int8[]
-- omniq: forget_workers
with deleted as (
    delete from "omniq".workers w
    where w.id = any ($1) and w.ended_at is not null
      and not exists (select from "omniq".tasks t where t.state = 1 and t.worker = w.id)
    returning w.id
), beats as (
    delete from "omniq".heartbeats b where b.worker in (select d.id from deleted d)
)
select count(*) from deleted
