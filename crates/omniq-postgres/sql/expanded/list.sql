-- $1 queue text
-- $2 state int2
-- $3 running bool
-- $4 func text
-- $5 after_id uuid
-- $6 after_count int4
-- $7 limit int8
-- omniq: list
select t.id, t.count, t.removed
from "omniq".tasks t
where ($1 is null or t.queue = $1)
  and ($2 is null or t.state = $2)
  and ($3 is null or (t.worker is not null) = $3)
  and ($4 is null or t.func = $4)
  and ($5 is null or (t.id, t.count) > ($5, $6))
order by t.id, t.count
limit $7
