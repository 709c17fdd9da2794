-- $1 completed_after float8
-- $2 dead_after float8
-- $3 limit int8
-- omniq: prune
with over as materialized (
    select * from (
        select t.id, t.count from "omniq".tasks t
        where t.state = 4 and t.ended_at < now() - make_interval(secs => $1)
        order by t.ended_at limit $3 for update skip locked) completed
    union all
    select * from (
        select t.id, t.count from "omniq".tasks t
        where t.state = 3 and t.ended_at < now() - make_interval(secs => $2)
        order by t.ended_at limit $3 for update skip locked) dead
), deleted as (
    delete from "omniq".tasks t using over o
    where t.id = any (array[o.id]) and t.count = o.count
    returning t.queue, t.state, (t.count - coalesce(bit_count(t.removed), 0)) as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), noted as (
    insert into "omniq".end_notes (tasks, how)
    select array_agg("omniq".id_after(d.id, p.index)), 3
    from deleted d
    cross join lateral generate_series(0, d.count - 1) as p(index)
    where d.linked and (d.removed is null or get_bit(d.removed, p.index) = 0)
    having count(*) > 0
), deltas as (
    insert into "omniq".count_deltas (queue, ready, scheduled, running, dead, completed, blocked)
    select m.queue,
           sum(m.tasks) filter (where m.state = 1 and not m.running), sum(m.tasks) filter (where m.state = 0),
           sum(m.tasks) filter (where m.state = 1 and m.running), sum(m.tasks) filter (where m.state = 3),
           sum(m.tasks) filter (where m.state = 4), sum(m.tasks) filter (where m.state = 2)
    from moved m
    group by m.queue
)
select coalesce(sum(tasks), 0)::bigint from deleted
