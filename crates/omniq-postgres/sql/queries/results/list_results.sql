-- Results by filter, the latest first, after the one of :after and :after_id.
-- params: status text, queue text, func text, error text, error_start text, since timestamptz, until timestamptz, after timestamptz, after_id uuid, limit bigint
-- index: finished_at_task_id_idx for null, null, null, null, null, null, null, null, null, 100
-- index: status_finished_at_task_id_idx for 'failed', null, null, null, null, null, null, null, null, 100
-- index: finished_at_task_id_idx for null, null, null, null, null, now(), null, null, null, 100
-- index: finished_at_task_id_idx for null, null, null, null, null, null, now(), null, null, 100
-- index: finished_at_task_id_idx for null, null, null, null, null, null, null, now(), '01920000-0000-7000-8000-000000000000', 100
-- index: status_finished_at_task_id_idx for 'failed', null, null, 'E', null, null, null, null, null, 100
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
