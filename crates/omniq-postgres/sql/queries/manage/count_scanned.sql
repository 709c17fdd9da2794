-- How many tasks, by filter, by scanning them.
-- params: queue text, state smallint, running boolean, func text, error text, error_start text,
-- params: since timestamptz, until timestamptz, max_seq bigint
-- index: tasks_ready for 'rare', 1, false, 'f', null, null, null, null, null
-- index: tasks_over for null, 3, null, 'f', null, null, null, null, null
-- index: tasks_over for null, 3, null, null, 'E', null, now(), null, null
-- read only
select coalesce(sum({present}), 0)::bigint
from {schema}.tasks t
where {task_filter}
