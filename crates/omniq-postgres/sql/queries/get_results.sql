-- Results by task ids, those whose time is not over.
select {result_columns}
from {schema}.results r
where r.task_id = any ($1) and {result_live}
