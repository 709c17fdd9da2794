-- How many results, by filter.
-- params: status text, queue text, func text, error text, error_start text, since timestamptz, until timestamptz, after timestamptz, after_id uuid
-- index: status_finished_at_task_id_idx for 'failed', null, null, null, null, null, null, null, null
-- read only
select coalesce(sum(case when r.finished_at = :after then (
        -- The last page may have ended within this row: only the results after that point count.
        select count(*) from generate_series(0, r.count - 1) as p(index)
        where {schema}.id_after(r.task_id, p.index) < :after_id
          and (r.removed is null or get_bit(r.removed, p.index) = 0)) else {result_present} end), 0)::bigint
from {schema}.result_segments r
where {result_filter}
