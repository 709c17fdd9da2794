-- How many tasks of a function, by scanning them.
-- params: queue text, state smallint, running boolean, func text
-- index: tasks_ready for 'rare', 1, false, 'f'
-- index: tasks_over for null, 3, null, 'f'
-- read only
select coalesce(sum({present}), 0)::bigint
from {schema}.tasks t
where {task_filter}
