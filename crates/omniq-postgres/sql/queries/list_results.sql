-- Results by filter, the latest first: $1 status, $2 queue, $3 function, $4 since, $5 and $6 the last one of the page
-- before, $7 limit.
select {result_columns}
from {schema}.result_segments r
cross join lateral (
    select {schema}.id_after(r.task_id, v.ord::integer - 1) as task_id, v.value
    from unnest(r."values") with ordinality as v(value, ord)
    where r.removed is null or get_bit(r.removed, v.ord::integer - 1) = 0) t
where {result_filter} and ($5::timestamptz is null or r.finished_at < $5 or t.task_id < $6::uuid)
order by r.finished_at desc, t.task_id desc
limit $7
