-- How many tasks of a function, by scanning them.
-- params: queue text, state smallint, running boolean, func text
-- read only
select coalesce(sum({present}), 0)::bigint
from {schema}.tasks t
where {task_filter}
