-- Results by task ids, those whose time is not over; of two the later one. By runs: $1 the first task of each, $2 the last, $3 marks from
-- the first on.
select distinct on (t.task_id) {result_columns}
from unnest($1::uuid[], $2::uuid[], $3::bit varying[]) as g(first, last, marks)
-- The rows that can hold results of the run's tasks between these two.
cross join lateral (
    select * from {schema}.result_runs r
    where r.count > 1 and r.task_id <= g.last and r.task_id >= {schema}.id_behind(g.first, -{schema}.place(g.first))
      and {schema}.place(g.first) - {schema}.place(r.task_id) < r.count
    union all
    select * from {schema}.result_runs r where r.count = 1 and r.task_id >= g.first and r.task_id <= g.last
) r
-- How far behind the first task the row begins.
cross join lateral (select {schema}.place(r.task_id) - {schema}.place(g.first) as behind) b
cross join lateral (
    select {schema}.id_behind(r.task_id, p.place) as task_id, v.value
    from unnest(r."values"[greatest(1 - b.behind, 1):length(g.marks) - b.behind]) with ordinality as v(value, no)
    cross join lateral (select greatest(-b.behind, 0) + v.no::integer - 1) as p(place)
    where get_bit(g.marks, b.behind + p.place) = 1 and (r.removed is null or get_bit(r.removed, p.place) = 0)) t
where {result_live}
order by t.task_id, r.finished_at desc
