-- In how many seconds the next scheduled task of these queues is due, or the next one that is not due yet.
-- params: queues text[], future boolean
-- index: tasks_due
-- read only
select extract(epoch from min(d.run_at) - clock_timestamp())::double precision
from unnest(:queues) as q(name)
cross join lateral (
    select t.run_at from {schema}.tasks t
    where t.state = {scheduled} and t.queue = q.name and isfinite(t.run_at)
      and t.run_at > case when :future then now() else '-infinity' end
    order by t.run_at
    limit 1
) d
