-- $1 firsts uuid[]
-- $2 lasts uuid[]
-- $3 masks varbit[]
-- omniq: get_results
select distinct on (t.task_id) t.task_id, r.status, r.codec, t.value, r.error, r.queue, r.func, r.worker, r.attempt, r.metadata,
    r.enqueued_at, r.started_at, r.finished_at, nullif(r.expires_at, 'infinity')
from unnest($1, $2, $3) as g(first, last, mask)
-- The rows that can hold results of tasks between these two.
cross join lateral (
    select * from "omniq".result_segments r
    where r.count > 1 and r.task_id <= g.last and r.task_id >= "omniq".id_after(g.first, -"omniq".offset_of(g.first))
      and "omniq".offset_of(g.first) - "omniq".offset_of(r.task_id) < r.count
    union all
    select * from "omniq".result_segments r where r.count = 1 and r.task_id >= g.first and r.task_id <= g.last
) r
-- The distance of the row from the first task.
cross join lateral (select "omniq".offset_of(r.task_id) - "omniq".offset_of(g.first) as distance) b
cross join lateral (
    select "omniq".id_after(r.task_id, p.index) as task_id, v.value
    from unnest(r."values"[greatest(1 - b.distance, 1):length(g.mask) - b.distance]) with ordinality as v(value, no)
    cross join lateral (select greatest(-b.distance, 0) + v.no::integer - 1) as p(index)
    where get_bit(g.mask, b.distance + p.index) = 1 and (r.removed is null or get_bit(r.removed, p.index) = 0)) t
where r.expires_at > now()
order by t.task_id, r.finished_at desc
