-- Makes scheduled tasks of these queues ready once their time has come, a bounded number at a time.
with due as materialized (
    select d.id, d.count
    from unnest($1::text[]) as q(name)
    cross join lateral (
        select s.id, s.count
        from {schema}.tasks s
        where s.state = 0 and s.queue = q.name and s.run_at <= now()
        order by s.run_at
        limit 1000
        for update skip locked
    ) d
), promoted as (
    update {schema}.tasks t
    set state = 1
    from due d
    where t.id = any (array[d.id]) and t.count = d.count
    returning t.queue, {present} as tasks
)
insert into {schema}.count_deltas (queue, ready, scheduled)
select p.queue, sum(p.tasks), -sum(p.tasks) from promoted p group by p.queue
