-- Lists a sleeper ($1 worker, $2 queues) and tells in how many seconds the next scheduled task is due.
-- No row: the worker was declared lost.
insert into {schema}.sleepers (worker, queues)
select w.id, $2
from {schema}.workers w
where w.id = $1 and w.ended_at is null
returning id, (
    select extract(epoch from min(d.run_at) - clock_timestamp())::double precision
    from unnest($2::text[]) as q(name)
    cross join lateral (
        select t.run_at from {schema}.tasks t
        where t.state = 0 and t.queue = q.name
        order by t.run_at
        limit 1
    ) d)
