-- Removes a schedule with its ticks, and says whether there was one.
-- params: name text
-- writes: schedules, schedule_ticks
with removed as (
    delete from {schema}.schedules s where s.name = :name returning s.name
)
select count(*) from removed
