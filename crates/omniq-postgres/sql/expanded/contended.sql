-- $1 queues text[]
-- $2 funcs text[]
-- omniq: contended
select exists (
    select
    from unnest($1) as q(name)
    cross join lateral (
        select from "omniq".tasks t
        where t.state = 1 and t.queue = q.name and t.worker is null
          and (t.expires_at is null or t.expires_at > now())
          and ($2 is null or t.func = any ($2))
        order by t.priority desc, t.seq
        limit 1
    ) t
    where (select r.queue from "omniq".paused_queues r where r.queue = q.name) is null
)
