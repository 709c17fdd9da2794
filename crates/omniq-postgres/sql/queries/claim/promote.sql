-- Makes scheduled tasks of these queues ready once their time has come, at most 1,000 of each.
-- params: queues text[]
-- index: tasks_due, tasks_id
-- locks: those tasks, skip locked
-- writes: tasks, count_deltas
-- rows: whole
-- cursors: kept: the next scan finds tasks that were due late
with due as materialized (
    select d.id, d.count
    from unnest(:queues) as q(name)
    cross join lateral (
        select s.id, s.count
        from {schema}.tasks s
        where s.state = {scheduled} and s.queue = q.name and s.run_at <= now()
        order by s.run_at
        limit 1000
        for update skip locked
    ) d
), promoted as (
    update {schema}.tasks t
    set state = {ready}
    from due d
    where t.id = any (array[d.id]) and t.count = d.count
    returning t.queue, {present} as tasks
)
insert into {schema}.count_deltas (queue, ready, scheduled)
select p.queue, sum(p.tasks), -sum(p.tasks) from promoted p group by p.queue
