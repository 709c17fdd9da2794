-- Tasks by their ids, each as a row of its own.
-- params: ids uuid[]
-- index: tasks_id
-- read only
select {task_columns}
from unnest(:ids) as g(id)
cross join lateral {schema}.segment_of(g.id) r
cross join lateral (
    select g.id, h.seq - h.count + 1 + p.index as seq, 1 as count, null::bit varying as removed,
           h.payloads[p.index + 1:p.index + 1] as payloads, h.state, h.run_at, h.expires_at, h.attempt, h.claims,
           h.error, h.claimed_at, h.worker, {shared_columns}
    from {schema}.tasks h, lateral (select {schema}.offset_of(g.id) - {schema}.offset_of(h.id)) as p(index)
    where h.id = any (array[r.id]) and h.count = r.count
) t
