-- Gives results rows of their own, so that a transaction which replaces them locks no other result. Changes nothing for those that have their
-- own row. Parameters as in get_results.sql.
-- params: firsts uuid[], lasts uuid[], masks bit varying[]
-- locks: the rows of several, for update, for 250 ms each
-- writes: result_segments
with given as materialized (
    select g.*
    from unnest(:firsts, :lasts, :masks) as g(first, last, mask)
    where (select set_config('lock_timeout', '250ms', true)) is not null
    order by g.first
), found as materialized (
    select r.task_id, r.count, r.expires_at,
           ({schema}.shift_mask(g.mask, r.distance, r.count) & ~r.removed)::bit varying as hits,
           bit_count(r.removed | {schema}.shift_mask(g.mask, r.distance, r.count)) = r.count as whole
    from given g
    cross join lateral (
        select r.task_id, r.count, r.expires_at, coalesce(r.removed, {schema}.zeros(r.count)) as removed,
               {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first) as distance
        from {schema}.result_segments r
        where r.count > 1 and r.task_id <= g.last and r.task_id >= {schema}.id_after(g.first, -{schema}.offset_of(g.first))
          and {schema}.offset_of(g.first) - {schema}.offset_of(r.task_id) < r.count
        for update) r
), hit as materialized (
    select f.* from found f where bit_count(f.hits) > 0
), deleted as (
    delete from {schema}.result_segments r using hit h
    where r.task_id = any (array[h.task_id]) and r.count = h.count and r.expires_at = h.expires_at and h.whole
    returning r.task_id, r.count, r.status, r.codec, r."values", r.error, r.queue, r.func, r.worker, r.attempt, r.metadata, r.enqueued_at,
              r.started_at, r.finished_at, r.expires_at, h.hits
), marked as (
    update {schema}.result_segments r
    set removed = coalesce(r.removed, {schema}.zeros(r.count)) | h.hits
    from hit h
    where r.task_id = any (array[h.task_id]) and r.count = h.count and r.expires_at = h.expires_at and not h.whole
    returning r.task_id, r.count, r.status, r.codec, r."values", r.error, r.queue, r.func, r.worker, r.attempt, r.metadata, r.enqueued_at,
              r.started_at, r.finished_at, r.expires_at, h.hits
)
insert into {schema}.result_segments (
    task_id, status, codec, "values", error, queue, func, worker, attempt, metadata, enqueued_at, started_at, finished_at, expires_at)
select {schema}.id_after(r.task_id, p.index), r.status, case when r."values"[p.index + 1] is not null then r.codec end,
       r."values"[p.index + 1:p.index + 1], r.error, r.queue, r.func, r.worker, r.attempt, r.metadata, r.enqueued_at, r.started_at,
       r.finished_at, r.expires_at
from (select * from deleted union all select * from marked) r
cross join lateral generate_series(0, r.count - 1) as p(index)
where get_bit(r.hits, p.index) = 1
