-- $1 status text
-- $2 queue text
-- $3 func text
-- $4 error text
-- $5 error_start text
-- $6 since timestamptz
-- $7 until timestamptz
-- $8 after timestamptz
-- $9 after_id uuid
-- omniq: count_results
select coalesce(sum(case when r.finished_at = $8 then (
        -- The last page may have ended within this row: only the results after that point count.
        select count(*) from generate_series(0, r.count - 1) as p(index)
        where "omniq".id_after(r.task_id, p.index) < $9
          and (r.removed is null or get_bit(r.removed, p.index) = 0)) else (r.count - coalesce(bit_count(r.removed), 0)) end), 0)::bigint
from "omniq".result_segments r
where ($1 is null or r.status = $1)
  and ($2 is null or r.queue = $2)
  and ($3 is null or r.func = $3)
  and ($4 is null or r.error->>'type' = $4)
  and ($5 is null or starts_with(r.error->>'type', $5))
  and ($6 is null or r.finished_at >= $6)
  and ($7 is null or r.finished_at < $7)
  and r.expires_at > now()
  and ($8 is null or r.finished_at <= $8)
