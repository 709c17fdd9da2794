-- Results by task ids, those whose time is not over; of two the later one.
select distinct on (r.task_id) {result_columns}
from {schema}.results r
where r.task_id = any ($1) and {result_live}
order by r.task_id, r.finished_at desc
