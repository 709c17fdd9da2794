-- The schedules that are due, those first that have been due longest, after this one.
-- params: after_at timestamptz, after_name text, limit bigint
-- read only
select {schedule_columns}
from {schema}.schedules s
where s.paused_at is null and s.next_at <= (select clock_timestamp())
  and (s.next_at, s.name) > (coalesce(:after_at, '-infinity'), coalesce(:after_name, ''))
order by s.next_at, s.name
limit :limit
