-- Carries out ticks, all or none, and returns those that were carried out.
-- params: batch jsonb
-- writes: schedules, schedule_ticks, tasks, count_deltas, events
-- rows: new
-- cursors: kept
select schedule, tick, task_id, skipped from {schema}.tick_schedules(:batch)
