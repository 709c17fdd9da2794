-- One task by its id.
select {task_columns}
from {schema}.tasks t
where t.id = $1
