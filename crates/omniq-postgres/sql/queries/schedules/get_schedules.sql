-- Schedules by their names.
-- params: names text[]
-- read only
select {schedule_columns}
from unnest(:names) as n(name)
join {schema}.schedules s on s.name = n.name
