-- $1 after timestamptz
-- omniq: next_tick
select extract(epoch from s.next_at - clock_timestamp())::double precision
from "omniq".schedules s
where s.paused_at is null and s.next_at > coalesce($1, '-infinity')
order by s.next_at
limit 1
