-- Tasks that a worker holds without knowing it, because the answer to its claim was lost: $1 worker, $2 ids that it knows.
select {task_columns}
from {schema}.tasks t
where t.state = 1 and t.worker = $1 and t.id <> all ($2)
order by t.priority desc, t.seq
