-- $1 name text
-- omniq: pause_schedule
with paused as (
    update "omniq".schedules s set paused_at = coalesce(s.paused_at, clock_timestamp()) where s.name = $1 returning s.name
)
select count(*) from paused
