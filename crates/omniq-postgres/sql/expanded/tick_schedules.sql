-- $1 batch jsonb
-- omniq: tick_schedules
select schedule, tick, task_id, skipped from "omniq".tick_schedules($1)
