-- Results by task ids, those that have not expired; of two the later one. The ids are grouped by base id: the first, the last, and a mask that
-- begins at the first.
-- params: firsts uuid[], lasts uuid[], masks bit varying[]
-- read only
select distinct on (t.task_id) {result_columns}
from unnest(:firsts, :lasts, :masks) as g(first, last, mask)
-- The rows that can hold results of tasks between these two.
cross join lateral (
    select * from {schema}.result_segments r
    where r.count > 1 and r.task_id <= g.last and r.task_id >= {schema}.id_after(g.first, -{schema}.offset_of(g.first))
      and {schema}.offset_of(g.first) - {schema}.offset_of(r.task_id) < r.count
    union all
    select * from {schema}.result_segments r where r.count = 1 and r.task_id >= g.first and r.task_id <= g.last
) r
-- The distance of the row from the first task.
cross join lateral (select {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first) as distance) b
cross join lateral (
    select {schema}.id_after(r.task_id, p.index) as task_id, v.value
    from unnest(r."values"[greatest(1 - b.distance, 1):length(g.mask) - b.distance]) with ordinality as v(value, no)
    cross join lateral (select greatest(-b.distance, 0) + v.no::integer - 1) as p(index)
    where get_bit(g.mask, b.distance + p.index) = 1 and (r.removed is null or get_bit(r.removed, p.index) = 0)) t
where {result_live}
order by t.task_id, r.finished_at desc
