-- Removes the schedules that no live worker of their application declares, of applications that have live workers.
-- locks: advisory
-- writes: schedule_declarations, schedules, schedule_ticks
select {schema}.remove_undeclared()
