-- $1 queues text[]
-- $2 future bool
-- omniq: next_due
select extract(epoch from min(d.run_at) - clock_timestamp())::double precision
from unnest($1) as q(name)
cross join lateral (
    select t.run_at from "omniq".tasks t
    where t.state = 0 and t.queue = q.name and isfinite(t.run_at)
      and t.run_at > case when $2 then now() else '-infinity' end
    order by t.run_at
    limit 1
) d
