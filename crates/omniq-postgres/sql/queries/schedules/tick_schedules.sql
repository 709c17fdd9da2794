-- Carries out ticks, all or none, and returns those that were carried out.
-- params: batch jsonb
-- writes: schedules, schedule_ticks, keys, tasks, count_deltas, events
-- rows: of one task
-- cursors: cleared, because a task that is unique may change one that waits
select schedule, tick, task_id, skipped from {schema}.tick_schedules(:batch)
