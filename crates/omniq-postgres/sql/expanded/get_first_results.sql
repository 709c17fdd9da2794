-- $1 ids uuid[]
-- omniq: get_first_results
select t.task_id, r.status, r.codec, t.value, r.error, r.queue, r.func, r.worker, r.attempt, r.metadata,
    r.enqueued_at, r.started_at, r.finished_at, nullif(r.expires_at, 'infinity')
from unnest($1) as g(id)
cross join lateral (
    select * from "omniq".result_segments r
    where r.task_id = g.id and r.expires_at > now() and substring(r.removed from 1 for 1) is distinct from B'1'
    order by r.finished_at desc
    limit 1) r
cross join lateral (select r.task_id, r."values"[1] as value) t
