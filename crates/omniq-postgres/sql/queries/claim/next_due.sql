-- In how many seconds the next scheduled task of these queues is due.
-- params: queues text[]
-- index: tasks_due
-- read only
select extract(epoch from min(d.run_at) - clock_timestamp())::double precision
from unnest(:queues) as q(name)
cross join lateral (
    select t.run_at from {schema}.tasks t
    where t.state = {scheduled} and t.queue = q.name and isfinite(t.run_at)
    order by t.run_at
    limit 1
) d
