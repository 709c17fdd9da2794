-- In how many seconds the next tick of any schedule is due, or the next one after this time.
-- params: after timestamptz
-- read only
select extract(epoch from s.next_at - clock_timestamp())::double precision
from {schema}.schedules s
where s.paused_at is null and s.next_at > coalesce(:after, '-infinity')
order by s.next_at
limit 1
