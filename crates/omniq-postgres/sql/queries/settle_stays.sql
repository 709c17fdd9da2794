, changed as (
    update {schema}.tasks t
    set (state, attempt, run_at, expires_at, error, ended_at) = (select {settle_changes}), worker = null, claimed_at = null
    from rows r
    join found f on f.id = r.id and f.count = r.count
    where t.id = any (array[r.id]) and t.count = r.count and r.whole and r.stays and bit_count(f.hits) > 0
    returning t.queue, t.state, {present}::integer as tasks
), apart as (
    -- A task that stays while others of its run do not, or not in the same way, gets a row of its own.
    insert into {schema}.tasks (
        id, seq, queue, func, codec, payloads, priority, claims, max_retries, options, metadata, created_at,
        state, attempt, run_at, expires_at, error, ended_at)
    select {schema}.id_after(t.id, p.index), t.seq - t.count + 1 + p.index, t.queue, t.func, t.codec,
           t.payloads[p.index + 1:p.index + 1], t.priority, t.claims, t.max_retries, t.options, t.metadata, t.created_at,
           {settle_changes}
    from (select * from deleted union all select * from marked) t
    join found f on f.id = t.id and f.count = t.count and not f.leaves
    cross join lateral generate_series(0, t.count - 1) as p(index)
    where get_bit(f.hits, p.index) = 1
    returning queue, state
)
