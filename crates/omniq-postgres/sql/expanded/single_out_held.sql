-- $1 id uuid
-- $2 base_id uuid
-- $3 worker int8
-- $4 number int4
-- omniq: single_out_held
with found as materialized (
    select t.id, t.count, "omniq".offset_of($1) - "omniq".offset_of(t.id) as index,
           bit_count(coalesce(t.removed, "omniq".zeros(t.count))) + 1 = t.count as last
    from "omniq".tasks t
    where t.id >= $2 and t.id <= $1 and t.count > 1 and "omniq".offset_of($1) - "omniq".offset_of(t.id) < t.count
      and t.worker = $3 and t.claims = $4
      and (t.removed is null or get_bit(t.removed, "omniq".offset_of($1) - "omniq".offset_of(t.id)) = 0)
    for update
), deleted as (
    delete from "omniq".tasks t using found f
    where t.id = any (array[f.id]) and t.count = f.count and f.last
    returning t.*, f.index
), marked as (
    update "omniq".tasks t
    set removed = set_bit(coalesce(t.removed, "omniq".zeros(t.count))::bit varying, f.index, 1)
    from found f
    where t.id = any (array[f.id]) and t.count = f.count and not f.last
    returning t.*, f.index
)
insert into "omniq".tasks (
    id, seq, payloads, state, run_at, expires_at, attempt, claims, error, worker, claimed_at, queue, func, codec, priority, max_retries, options, metadata, created_at)
select $1, t.seq - t.count + 1 + t.index, t.payloads[t.index + 1:t.index + 1], t.state, t.run_at, t.expires_at, t.attempt, t.claims,
       t.error, t.worker, t.claimed_at, queue, func, codec, priority, max_retries, options, metadata, created_at
from (select * from deleted union all select * from marked) t
