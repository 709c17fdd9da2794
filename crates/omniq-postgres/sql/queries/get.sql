-- Tasks by their ids, each as a row of its own.
select {task_columns}
from unnest($1::uuid[]) as g(id)
cross join lateral {schema}.row_of(g.id) r
cross join lateral (
    select g.id, h.seq - h.count + 1 + p.place as seq, h.queue, h.func, h.codec, 1 as count, null::bit varying as removed,
           h.payloads[p.place + 1:p.place + 1] as payloads, h.priority, h.state, h.run_at, h.expires_at, h.attempt, h.claims,
           h.max_retries, h.options, h.metadata, h.error, h.created_at, h.claimed_at, h.worker
    from {schema}.tasks h, lateral (select {schema}.place(g.id) - {schema}.place(h.id)) as p(place)
    where h.id = any (array[r.id]) and h.count = r.count
) t
