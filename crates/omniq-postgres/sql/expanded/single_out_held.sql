-- $1 firsts uuid[]
-- $2 lasts uuid[]
-- $3 base_ids uuid[]
-- $4 masks varbit[]
-- $5 workers int8[]
-- $6 numbers int4[]
-- omniq: single_out_held
with found as materialized (
    select t.id, t.count, t.removed,
           "omniq".shift_mask(g.mask, t.distance, t.count) & ~t.removed as hits
    from (
        select g.* from unnest($1, $2, $3, $4, $5, $6)
            as g(first, last, base_id, mask, worker, number)
        where (select set_config('lock_timeout', '250ms', true)) is not null
        order by g.base_id, g.first
    ) g
    cross join lateral (
        select t.id, t.count, coalesce(t.removed, "omniq".zeros(t.count)) as removed,
               "omniq".offset_of(t.id) - "omniq".offset_of(g.first) as distance
        from "omniq".tasks t
        where t.id >= g.base_id and t.id <= g.last and t.count > 1
          and "omniq".offset_of(g.first) - "omniq".offset_of(t.id) < t.count
          and t.worker = g.worker and t.claims = g.number
        for update) t
), rows as materialized (
    select f.id, f.count, bit_or(f.hits)::bit varying as hits, bit_count(f.removed | bit_or(f.hits)) = f.count as whole
    from found f
    where bit_count(f.hits) > 0
    group by f.id, f.count, f.removed
), deleted as (
    delete from "omniq".tasks t using rows r
    where t.id = any (array[r.id]) and t.count = r.count and r.whole
    returning t.*, r.hits as indexes
), marked as (
    update "omniq".tasks t
    set removed = coalesce(t.removed, "omniq".zeros(t.count)) | r.hits
    from rows r
    where t.id = any (array[r.id]) and t.count = r.count and not r.whole
    returning t.*, r.hits as indexes
)
insert into "omniq".tasks (
    id, seq, payloads, state, run_at, expires_at, attempt, claims, error, worker, claimed_at, queue, func, codec, priority, max_retries, options, metadata, created_at, linked)
select "omniq".id_after(t.id, p.index), t.seq - t.count + 1 + p.index, t.payloads[p.index + 1:p.index + 1], t.state, t.run_at, t.expires_at,
       t.attempt, t.claims, t.error, t.worker, t.claimed_at, queue, func, codec, priority, max_retries, options, metadata, created_at, linked
from (select * from deleted union all select * from marked) t
cross join lateral generate_series(0, t.count - 1) as p(index)
where get_bit(t.indexes, p.index) = 1
