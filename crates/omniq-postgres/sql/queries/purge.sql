-- Removes tasks that nobody holds and counts them: $1 queue, $2 state, $3 whether held, $4 function.
with gone as (
    delete from {schema}.tasks t
    where {task_filter}
      and t.worker is null
    returning {present} as tasks
)
select coalesce(sum(tasks), 0)::bigint from gone
