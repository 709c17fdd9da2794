-- omniq: queues
select coalesce(c.queue, p.queue), p.queue is not null,
       coalesce(c.ready, 0), coalesce(c.scheduled, 0), coalesce(c.running, 0), coalesce(c.dead, 0), coalesce(c.completed, 0), coalesce(c.blocked, 0)
from "omniq".counts_of(null) c
full join "omniq".paused_queues p on p.queue = c.queue
order by 1
