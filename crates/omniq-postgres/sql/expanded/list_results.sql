-- $1 status text
-- $2 queue text
-- $3 func text
-- $4 error text
-- $5 error_start text
-- $6 since timestamptz
-- $7 until timestamptz
-- $8 after timestamptz
-- $9 after_id uuid
-- $10 limit int8
-- omniq: list_results
select t.task_id, r.status, r.codec, t.value, r.error, r.queue, r.func, r.worker, r.attempt, r.metadata,
    r.enqueued_at, r.started_at, r.finished_at, nullif(r.expires_at, 'infinity')
from "omniq".result_segments r
cross join lateral (
    select "omniq".id_after(r.task_id, v.ord::integer - 1) as task_id, v.value
    from unnest(r."values") with ordinality as v(value, ord)
    where r.removed is null or get_bit(r.removed, v.ord::integer - 1) = 0) t
where ($1 is null or r.status = $1)
  and ($2 is null or r.queue = $2)
  and ($3 is null or r.func = $3)
  and ($4 is null or r.error->>'type' = $4)
  and ($5 is null or starts_with(r.error->>'type', $5))
  and ($6 is null or r.finished_at >= $6)
  and ($7 is null or r.finished_at < $7)
  and r.expires_at > now()
  and ($8 is null or r.finished_at <= $8) and ($8 is null or r.finished_at < $8 or t.task_id < $9)
order by r.finished_at desc, t.task_id desc
limit $10
