-- Gives running tasks rows of their own under the same claim, so that a transaction which settles them locks no other task. Changes nothing for
-- those that have their own row. Tasks of one base id and claim are a group: its first and last id, its base id, a mask that begins at the first.
-- params: firsts uuid[], lasts uuid[], base_ids uuid[], masks bit varying[], workers bigint[], numbers integer[]
-- index: tasks_id
-- locks: the segments, for update, for 250 ms each
-- writes: tasks
-- rows: whole
-- cursors: kept: the tasks stay with their workers
with found as materialized (
    select t.id, t.count, t.removed,
           {schema}.shift_mask(g.mask, t.distance, t.count) & ~t.removed as hits
    from (
        select g.* from unnest(:firsts, :lasts, :base_ids, :masks, :workers, :numbers)
            as g(first, last, base_id, mask, worker, number)
        where (select set_config('lock_timeout', '250ms', true)) is not null
        order by g.base_id, g.first
    ) g
    cross join lateral (
        select t.id, t.count, coalesce(t.removed, {schema}.zeros(t.count)) as removed,
               {schema}.offset_of(t.id) - {schema}.offset_of(g.first) as distance
        from {schema}.tasks t
        where t.id >= g.base_id and t.id <= g.last and t.count > 1
          and {schema}.offset_of(g.first) - {schema}.offset_of(t.id) < t.count
          and t.worker = g.worker and t.claims = g.number
        for update) t
), rows as materialized (
    select f.id, f.count, bit_or(f.hits)::bit varying as hits, bit_count(f.removed | bit_or(f.hits)) = f.count as whole
    from found f
    where bit_count(f.hits) > 0
    group by f.id, f.count, f.removed
), deleted as (
    delete from {schema}.tasks t using rows r
    where t.id = any (array[r.id]) and t.count = r.count and r.whole
    returning t.*, r.hits as indexes
), marked as (
    update {schema}.tasks t
    set removed = coalesce(t.removed, {schema}.zeros(t.count)) | r.hits
    from rows r
    where t.id = any (array[r.id]) and t.count = r.count and not r.whole
    returning t.*, r.hits as indexes
)
insert into {schema}.tasks (
    id, seq, payloads, state, run_at, expires_at, attempt, claims, error, worker, claimed_at, {shared_columns})
select {schema}.id_after(t.id, p.index), t.seq - t.count + 1 + p.index, t.payloads[p.index + 1:p.index + 1], t.state, t.run_at, t.expires_at,
       t.attempt, t.claims, t.error, t.worker, t.claimed_at, {shared_columns}
from (select * from deleted union all select * from marked) t
cross join lateral generate_series(0, t.count - 1) as p(index)
where get_bit(t.indexes, p.index) = 1
