-- $1 ids uuid[]
-- omniq: get
select t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked
from unnest($1) as g(id)
cross join lateral "omniq".segment_of(g.id) r
cross join lateral (
    select g.id, h.seq - h.count + 1 + p.index as seq, 1 as count, null::bit varying as removed,
           h.payloads[p.index + 1:p.index + 1] as payloads, h.state, h.run_at, h.expires_at, h.attempt, h.claims,
           h.error, h.claimed_at, h.worker, queue, func, codec, priority, max_retries, options, metadata, created_at, linked
    from "omniq".tasks h, lateral (select "omniq".offset_of(g.id) - "omniq".offset_of(h.id)) as p(index)
    where h.id = any (array[r.id]) and h.count = r.count
) t
