-- Whether a purge, in its transaction, has left tasks that were there when it began: $1 queue, $2 state, $3 whether held, $4 function.
select exists (
    select from {schema}.tasks t
    where {task_filter} and t.worker is null and t.created_at <= now())
