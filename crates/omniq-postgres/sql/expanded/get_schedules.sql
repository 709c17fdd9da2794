-- $1 names text[]
-- omniq: get_schedules
select clock_timestamp(), s.name, s.app, s.version, s.created_at, s.anchor, s.next_at, s.last_at, s.last_task, s.runs, s.paused_at, s.definition, s.payload
from unnest($1) as n(name)
join "omniq".schedules s on s.name = n.name
