-- Results by filter, the latest first: $1 status, $2 queue, $3 function, $4 since, $5 and $6 the last one of the page
-- before, $7 limit.
select {result_columns}
from {schema}.results r
where {result_filter}
order by r.finished_at desc, r.task_id desc
limit $7
