-- $1 name text
-- $2 limit int8
-- omniq: schedule_history
select k.at, k.manual, k.task_id, k.skipped
from "omniq".schedule_ticks k
where k.schedule = $1
order by k.at desc, k.manual desc
limit least($2, 100)
