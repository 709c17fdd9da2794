-- Removes tasks that nobody holds and counts them: $1 queue, $2 state, $3 whether held, $4 function.
with gone as (
    delete from {schema}.tasks t
    where {task_filter}
      and t.worker is null
    returning t.queue, t.state, {present} as tasks
), moved as (
    select g.queue, g.state, false as held, -g.tasks as tasks from gone g
), {tallied}
select coalesce(sum(tasks), 0)::bigint from gone
