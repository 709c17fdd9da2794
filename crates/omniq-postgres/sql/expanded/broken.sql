-- $1 limit int8
-- omniq: broken
select t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked, b.broken, b.by_dead
from (select w.id, w.broken, w.by_dead from "omniq".waits w where w.broken is not null and w.is_open offset 0) b
-- With an offset, so that these are looked up one by one, and not joined.
cross join lateral (select n.id from "omniq".nodes n where n.wait = b.id and n.ended is null offset 0) n
cross join lateral (
    select t.* from "omniq".tasks t where t.id = n.id and t.count = 1 and t.state + 0 = 2 offset 0) t
limit $1
