-- About :limit blocked tasks that have to end, whole rows, each with the predecessor that is the reason, and whether that one is dead.
-- params: limit bigint
-- index: tasks_id
-- read only
select {task_columns}, b.broken, b.by_dead
from (select w.id, w.broken, w.by_dead from {schema}.waits w where w.broken is not null and w.is_open offset 0) b
-- With an offset, so that these are looked up one by one, and not joined.
cross join lateral (select n.id from {schema}.nodes n where n.wait = b.id and n.ended is null offset 0) n
cross join lateral (
    select t.* from {schema}.tasks t where t.id = n.id and t.count = 1 and t.state + 0 = {blocked} offset 0) t
limit :limit
