-- Tasks that lost workers hold: $1 the workers, $2 limit.
select {task_columns}, w.name
from {schema}.tasks t
join {schema}.workers w on w.id = t.worker
where t.state = 1 and t.worker = any ($1)
limit $2
