-- Enqueues the task of a schedule by hand, and answers with its id; null if the schedule is not as it was read.
-- params: name text, version integer, created_at timestamptz, at timestamptz, task jsonb
-- writes: schedules, schedule_ticks, keys, tasks, count_deltas, events
-- rows: of one task
-- cursors: cleared, because a task that is unique may change one that waits
select {schema}.trigger_schedule(:name, :version, :created_at, :at, :task)
