-- $1 task uuid
-- $2 kind text
-- $3 queue text
-- $4 worker text
-- $5 since timestamptz
-- $6 until timestamptz
-- $7 after int8
-- omniq: count_events
select count(*)
from "omniq".events e
where ($1 is null or e.task_id = $1)
  and ($2 is null or e.kind = $2)
  and ($3 is null or e.queue = $3)
  and ($4 is null or e.worker = $4)
  and ($5 is null or e.at >= $5)
  and ($6 is null or e.at < $6)
  and ($7 is null or e.id > $7)
