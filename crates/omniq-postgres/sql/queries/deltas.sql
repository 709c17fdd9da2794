deltas as (
    insert into {schema}.count_deltas (queue, ready, scheduled, running, dead, completed)
    select m.queue,
           sum(m.tasks) filter (where m.state = 1 and not m.running), sum(m.tasks) filter (where m.state = 0),
           sum(m.tasks) filter (where m.state = 1 and m.running), sum(m.tasks) filter (where m.state = 3),
           sum(m.tasks) filter (where m.state = 4)
    from moved m
    group by m.queue
)
