-- The last ticks of a schedule, latest first.
-- params: name text, limit bigint
-- read only
select k.at, k.manual, k.task_id, k.skipped
from {schema}.schedule_ticks k
where k.schedule = :name
order by k.at desc, k.manual desc
limit least(:limit, 100)
