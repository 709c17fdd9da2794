-- The figures of each queue that holds tasks or is paused.
select coalesce(t.queue, p.queue), p.queue is not null,
       coalesce(t.ready, 0), coalesce(t.scheduled, 0), coalesce(t.running, 0), coalesce(t.dead, 0),
       coalesce(t.completed, 0)
from (
    select queue,
           count(*) filter (where state = 1 and worker is null) as ready,
           count(*) filter (where state = 0) as scheduled,
           count(*) filter (where state = 1 and worker is not null) as running,
           count(*) filter (where state = 3) as dead,
           count(*) filter (where state = 4) as completed
    from {schema}.tasks
    group by queue
) t
full join {schema}.paused_queues p on p.queue = t.queue
order by 1
