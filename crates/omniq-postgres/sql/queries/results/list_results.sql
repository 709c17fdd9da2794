-- Results by filter, the latest first, after the one of :after and :after_id.
-- params: status text, queue text, func text, since timestamptz, after timestamptz, after_id uuid, limit bigint
-- read only
select {result_columns}
from {schema}.result_segments r
cross join lateral (
    select {schema}.id_after(r.task_id, v.ord::integer - 1) as task_id, v.value
    from unnest(r."values") with ordinality as v(value, ord)
    where r.removed is null or get_bit(r.removed, v.ord::integer - 1) = 0) t
where {result_filter} and (:after is null or r.finished_at < :after or t.task_id < :after_id)
order by r.finished_at desc, t.task_id desc
limit :limit
