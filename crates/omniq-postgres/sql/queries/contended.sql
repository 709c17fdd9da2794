-- Whether tasks are ready that a claim could take: $1 queues, $2 functions or null for any. If it got none, others were at it.
select exists (
    select
    from unnest($1::text[]) as q(name)
    cross join lateral (
        select from {schema}.tasks t
        where t.state = 1 and t.queue = q.name and t.worker is null
          and (t.expires_at is null or t.expires_at > now())
          and ($2::text[] is null or t.func = any ($2))
        order by t.priority desc, t.seq
        limit 1
    ) t
    where (select r.queue from {schema}.paused_queues r where r.queue = q.name) is null
)
