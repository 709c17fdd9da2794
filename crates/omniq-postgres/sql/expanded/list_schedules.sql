-- $1 app text
-- $2 func text
-- $3 paused bool
-- $4 after text
-- $5 limit int8
-- omniq: list_schedules
select clock_timestamp(), s.name, s.app, s.version, s.created_at, s.anchor, s.next_at, s.last_at, s.last_task, s.runs, s.paused_at, s.definition, s.payload
from "omniq".schedules s
where ($1 is null or s.app = $1)
  and ($2 is null or s.definition->'task'->>'func' = $2)
  and ($3 is null or (s.paused_at is not null) = $3)
  and s.name > coalesce($4, '')
order by s.name
limit $5
