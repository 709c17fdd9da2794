-- Tasks by filter: $1 queue, $2 state, $3 whether held, $4 function, $5 behind this id, $6 limit.
select {task_columns}
from {schema}.tasks t
where {task_filter}
  and ($5::uuid is null or t.id > $5)
order by t.id
limit $6
