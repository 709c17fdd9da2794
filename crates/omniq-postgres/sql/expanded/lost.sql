-- $1 workers int8[]
-- $2 limit int8
-- omniq: lost
select t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked, t.name
from (
    select t.*, sum(t.present) over (order by t.id, t.count) - t.present as before
    from (
        select t.*, w.name, (t.count - coalesce(bit_count(t.removed), 0)) as present
        from "omniq".tasks t
        join "omniq".workers w on w.id = t.worker
        where t.state = 1 and t.worker = any ($1)
        limit $2
        for update of t skip locked
    ) t
) t
where t.before < $2
