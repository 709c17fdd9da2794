-- The figures of each queue that holds tasks or is paused.
select coalesce(t.queue, p.queue), p.queue is not null,
       coalesce(t.ready, 0)::bigint, coalesce(t.scheduled, 0)::bigint, coalesce(t.running, 0)::bigint,
       coalesce(t.dead, 0)::bigint, coalesce(t.completed, 0)::bigint
from (
    select t.queue,
           sum({present}) filter (where t.state = 1 and t.worker is null) as ready,
           sum({present}) filter (where t.state = 0) as scheduled,
           sum({present}) filter (where t.state = 1 and t.worker is not null) as running,
           sum({present}) filter (where t.state = 3) as dead,
           sum({present}) filter (where t.state = 4) as completed
    from {schema}.tasks t
    group by t.queue
) t
full join {schema}.paused_queues p on p.queue = t.queue
order by 1
