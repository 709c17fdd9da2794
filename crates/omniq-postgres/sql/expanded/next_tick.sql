-- $1 future bool
-- omniq: next_tick
select extract(epoch from s.next_at - clock_timestamp())::double precision
from "omniq".schedules s
where s.paused_at is null and s.next_at > case when $1 then (select clock_timestamp()) else '-infinity' end
order by s.next_at
limit 1
