-- Removes tasks that nobody holds: $1 queue, $2 state, $3 whether held, $4 function.
delete from {schema}.tasks t
where {task_filter}
  and t.worker is null
