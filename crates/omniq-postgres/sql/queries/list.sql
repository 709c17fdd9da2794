-- Rows of tasks by filter, without their arguments: $1 queue, $2 state, $3 whether held, $4 function, $5 and $6 behind this row
-- (first task, length), $7 limit.
select t.id, t.count, t.removed
from {schema}.tasks t
where {task_filter}
  and ($5::uuid is null or (t.id, t.count) > ($5::uuid, $6::integer))
order by t.id, t.count
limit $7
