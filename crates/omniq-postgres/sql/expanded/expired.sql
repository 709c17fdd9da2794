-- $1 limit int8
-- omniq: expired
select t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked
from (
    select t.*, sum(t.present) over (order by t.expires_at, t.id, t.count) - t.present as before
    from (
        select t.*, (t.count - coalesce(bit_count(t.removed), 0)) as present
        from "omniq".tasks t
        where t.expires_at <= now() and t.state in (0, 1) and t.worker is null
        order by t.expires_at
        limit $1
        for update skip locked
    ) t
) t
where t.before < $1
