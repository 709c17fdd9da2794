-- Results as get_results.sql gives them, of tasks whose ids are the first ones of their base ids, as those of tasks that were enqueued alone:
-- no row that begins before them can hold their results. So no second search goes through all partitions.
-- params: ids uuid[]
-- read only
select {result_columns}
from unnest(:ids) as g(id)
cross join lateral (
    select * from {schema}.result_segments r
    where r.task_id = g.id and {result_live} and substring(r.removed from 1 for 1) is distinct from B'1'
    order by r.finished_at desc
    limit 1) r
cross join lateral (select r.task_id, r."values"[1] as value) t
