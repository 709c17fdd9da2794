-- $1 queues text[]
-- omniq: promote
with due as materialized (
    select d.id, d.count
    from unnest($1) as q(name)
    cross join lateral (
        select s.id, s.count
        from "omniq".tasks s
        where s.state = 0 and s.queue = q.name and s.run_at <= now()
        order by s.run_at
        limit 1000
        for update skip locked
    ) d
), promoted as (
    update "omniq".tasks t
    set state = 1
    from due d
    where t.id = any (array[d.id]) and t.count = d.count
    returning t.queue, (t.count - coalesce(bit_count(t.removed), 0)) as tasks
)
insert into "omniq".count_deltas (queue, ready, scheduled)
select p.queue, sum(p.tasks), -sum(p.tasks) from promoted p group by p.queue
