-- Stops the ticks of a schedule, and says whether it is there.
-- params: name text
-- writes: schedules
with paused as (
    update {schema}.schedules s set paused_at = coalesce(s.paused_at, clock_timestamp()) where s.name = :name returning s.name
)
select count(*) from paused
