-- In how many seconds the next tick of any schedule is due, or of any that is not due yet.
-- params: future boolean
-- read only
select extract(epoch from s.next_at - clock_timestamp())::double precision
from {schema}.schedules s
where s.paused_at is null and s.next_at > case when :future then (select clock_timestamp()) else '-infinity' end
order by s.next_at
limit 1
