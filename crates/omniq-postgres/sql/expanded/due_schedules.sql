-- $1 after_at timestamptz
-- $2 after_name text
-- $3 limit int8
-- omniq: due_schedules
select clock_timestamp(), s.name, s.app, s.version, s.created_at, s.anchor, s.next_at, s.last_at, s.last_task, s.runs, s.paused_at, s.definition, s.payload
from "omniq".schedules s
where s.paused_at is null and s.next_at <= (select clock_timestamp())
  and (s.next_at, s.name) > (coalesce($1, '-infinity'), coalesce($2, ''))
order by s.next_at, s.name
limit $3
