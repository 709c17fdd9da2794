deltas as (
    insert into {schema}.count_deltas (queue, ready, scheduled, running, dead, completed, blocked)
    select m.queue,
           sum(m.tasks) filter (where m.state = {ready} and not m.running), sum(m.tasks) filter (where m.state = {scheduled}),
           sum(m.tasks) filter (where m.state = {ready} and m.running), sum(m.tasks) filter (where m.state = {dead}),
           sum(m.tasks) filter (where m.state = {completed}), sum(m.tasks) filter (where m.state = {blocked})
    from moved m
    group by m.queue
)
