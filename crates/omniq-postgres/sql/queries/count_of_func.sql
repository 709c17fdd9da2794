-- How many tasks of a function, by looking at each: $1 queue, $2 state, $3 whether held, $4 function.
select coalesce(sum({present}), 0)::bigint
from {schema}.tasks t
where {task_filter}
