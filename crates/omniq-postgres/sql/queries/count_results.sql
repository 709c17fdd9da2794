-- How many results: $1 status, $2 queue, $3 function, $4 since, $5 and $6 the last one of the page before.
select coalesce(sum(case when r.finished_at = $5 then (
        -- Of a row that the page before may have ended in, those behind that place.
        select count(*) from generate_series(0, r.count - 1) as p(index)
        where {schema}.id_after(r.task_id, p.index) < $6::uuid
          and (r.removed is null or get_bit(r.removed, p.index) = 0)) else {result_present} end), 0)::bigint
from {schema}.result_segments r
where {result_filter}
