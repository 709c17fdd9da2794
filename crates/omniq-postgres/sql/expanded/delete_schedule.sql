-- $1 name text
-- omniq: delete_schedule
with removed as (
    delete from "omniq".schedules s where s.name = $1 returning s.name
)
select count(*) from removed
