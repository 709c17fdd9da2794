-- Removes tasks that ended so long ago, about $3, and counts them: completed ones after $1 seconds, dead ones after $2; null: never.
with over as materialized (
    select * from (
        select t.id, t.count from {schema}.tasks t
        where t.state = 4 and t.ended_at < now() - make_interval(secs => $1)
        order by t.ended_at limit $3 for update skip locked) completed
    union all
    select * from (
        select t.id, t.count from {schema}.tasks t
        where t.state = 3 and t.ended_at < now() - make_interval(secs => $2)
        order by t.ended_at limit $3 for update skip locked) dead
), deleted as (
    delete from {schema}.tasks t using over o
    where t.id = any (array[o.id]) and t.count = o.count
    returning t.queue, t.state, {present} as tasks
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), {deltas}
select coalesce(sum(tasks), 0)::bigint from deleted
