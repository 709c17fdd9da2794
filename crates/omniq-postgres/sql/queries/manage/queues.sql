-- The counts of each queue that holds tasks or is paused.
-- read only
select coalesce(c.queue, p.queue), p.queue is not null,
       coalesce(c.ready, 0), coalesce(c.scheduled, 0), coalesce(c.running, 0), coalesce(c.dead, 0), coalesce(c.completed, 0), coalesce(c.blocked, 0)
from {schema}.counts_of(null) c
full join {schema}.paused_queues p on p.queue = c.queue
order by 1
