-- $1 firsts uuid[]
-- $2 lasts uuid[]
-- $3 masks varbit[]
-- omniq: single_out_results
with given as materialized (
    select g.*
    from unnest($1, $2, $3) as g(first, last, mask)
    where (select set_config('lock_timeout', '250ms', true)) is not null
    order by g.first
), found as materialized (
    select r.task_id, r.count, r.expires_at,
           ("omniq".shift_mask(g.mask, r.distance, r.count) & ~r.removed)::bit varying as hits,
           bit_count(r.removed | "omniq".shift_mask(g.mask, r.distance, r.count)) = r.count as whole
    from given g
    cross join lateral (
        select r.task_id, r.count, r.expires_at, coalesce(r.removed, "omniq".zeros(r.count)) as removed,
               "omniq".offset_of(r.task_id) - "omniq".offset_of(g.first) as distance
        from "omniq".result_segments r
        where r.count > 1 and r.task_id <= g.last and r.task_id >= "omniq".id_after(g.first, -"omniq".offset_of(g.first))
          and "omniq".offset_of(g.first) - "omniq".offset_of(r.task_id) < r.count
        for update) r
), hit as materialized (
    select f.* from found f where bit_count(f.hits) > 0
), deleted as (
    delete from "omniq".result_segments r using hit h
    where r.task_id = any (array[h.task_id]) and r.count = h.count and r.expires_at = h.expires_at and h.whole
    returning r.task_id, r.count, r.status, r.codec, r."values", r.error, r.queue, r.func, r.worker, r.attempt, r.metadata, r.enqueued_at,
              r.started_at, r.finished_at, r.expires_at, h.hits
), marked as (
    update "omniq".result_segments r
    set removed = coalesce(r.removed, "omniq".zeros(r.count)) | h.hits
    from hit h
    where r.task_id = any (array[h.task_id]) and r.count = h.count and r.expires_at = h.expires_at and not h.whole
    returning r.task_id, r.count, r.status, r.codec, r."values", r.error, r.queue, r.func, r.worker, r.attempt, r.metadata, r.enqueued_at,
              r.started_at, r.finished_at, r.expires_at, h.hits
)
insert into "omniq".result_segments (
    task_id, status, codec, "values", error, queue, func, worker, attempt, metadata, enqueued_at, started_at, finished_at, expires_at)
select "omniq".id_after(r.task_id, p.index), r.status, case when r."values"[p.index + 1] is not null then r.codec end,
       r."values"[p.index + 1:p.index + 1], r.error, r.queue, r.func, r.worker, r.attempt, r.metadata, r.enqueued_at, r.started_at,
       r.finished_at, r.expires_at
from (select * from deleted union all select * from marked) r
cross join lateral generate_series(0, r.count - 1) as p(index)
where get_bit(r.hits, p.index) = 1
