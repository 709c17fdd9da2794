-- $1 ids uuid[]
-- omniq: get
select t.id, t.seq, t.queue, t.func, t.codec, t.count, t.removed, t.payloads, t.priority, t.state, t.run_at, t.expires_at, t.attempt,
    t.claims, t.max_retries, t.options, t.metadata, t.error, t.created_at, t.claimed_at, t.worker
from unnest($1) as g(id)
cross join lateral "omniq".segment_of(g.id) r
cross join lateral (
    select g.id, h.seq - h.count + 1 + p.index as seq, h.queue, h.func, h.codec, 1 as count, null::bit varying as removed,
           h.payloads[p.index + 1:p.index + 1] as payloads, h.priority, h.state, h.run_at, h.expires_at, h.attempt, h.claims,
           h.max_retries, h.options, h.metadata, h.error, h.created_at, h.claimed_at, h.worker
    from "omniq".tasks h, lateral (select "omniq".offset_of(g.id) - "omniq".offset_of(h.id)) as p(index)
    where h.id = any (array[r.id]) and h.count = r.count
) t
