-- Enqueues the task of a schedule by hand, and says whether the schedule was as it was read.
-- params: name text, version integer, created_at timestamptz, at timestamptz, task jsonb
-- writes: schedules, schedule_ticks, tasks, count_deltas, events
-- rows: new
-- cursors: kept
select {schema}.trigger_schedule(:name, :version, :created_at, :at, :task)
