-- Takes a task out of the run with which it is held, into a row of its own under the same claim: what its completion locks is then its own.
-- $1 its id, $2 the first id that its run can have, $3 worker and $4 number of the claim. Answers nothing if it has its own row.
with found as materialized (
    select t.id, t.count, {schema}.offset_of($1) - {schema}.offset_of(t.id) as index,
           bit_count(coalesce(t.removed, {schema}.zeros(t.count))) + 1 = t.count as last
    from {schema}.tasks t
    where t.id >= $2 and t.id <= $1 and t.count > 1 and {schema}.offset_of($1) - {schema}.offset_of(t.id) < t.count
      and t.worker = $3 and t.claims = $4
      and (t.removed is null or get_bit(t.removed, {schema}.offset_of($1) - {schema}.offset_of(t.id)) = 0)
    for update
), deleted as (
    delete from {schema}.tasks t using found f
    where t.id = any (array[f.id]) and t.count = f.count and f.last
    returning t.*, f.index
), marked as (
    update {schema}.tasks t
    set removed = set_bit(coalesce(t.removed, {schema}.zeros(t.count))::bit varying, f.index, 1)
    from found f
    where t.id = any (array[f.id]) and t.count = f.count and not f.last
    returning t.*, f.index
)
insert into {schema}.tasks (
    id, seq, queue, func, codec, payloads, priority, state, run_at, expires_at, attempt, claims, max_retries, options, metadata,
    error, created_at, worker, claimed_at)
select $1, t.seq - t.count + 1 + t.index, t.queue, t.func, t.codec, t.payloads[t.index + 1:t.index + 1], t.priority, t.state,
       t.run_at, t.expires_at, t.attempt, t.claims, t.max_retries, t.options, t.metadata, t.error, t.created_at, t.worker,
       t.claimed_at
from (select * from deleted union all select * from marked) t
