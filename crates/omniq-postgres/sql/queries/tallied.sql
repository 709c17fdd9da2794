tallied as (
    insert into {schema}.tallies (queue, ready, scheduled, running, dead, completed)
    select m.queue,
           sum(m.tasks) filter (where m.state = 1 and not m.held), sum(m.tasks) filter (where m.state = 0),
           sum(m.tasks) filter (where m.state = 1 and m.held), sum(m.tasks) filter (where m.state = 3),
           sum(m.tasks) filter (where m.state = 4)
    from moved m
    group by m.queue
)
