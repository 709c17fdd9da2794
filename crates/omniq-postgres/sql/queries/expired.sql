-- Waiting tasks whose time to live has ended.
select {task_columns}
from {schema}.tasks t
where t.expires_at <= now() and t.state in (0, 1) and t.worker is null
order by t.expires_at
limit $1
