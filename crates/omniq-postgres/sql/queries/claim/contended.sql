-- Whether there are ready tasks that a claim could take. A claim that got none met others that were claiming.
-- params: queues text[], funcs text[]
-- index: tasks_ready
-- read only
select exists (
    select
    from unnest(:queues) as q(name)
    cross join lateral (
        select from {schema}.tasks t
        where t.state = {ready} and t.queue = q.name and t.worker is null
          and (t.expires_at is null or t.expires_at > now())
          and (:funcs is null or t.func = any (:funcs))
        order by t.priority desc, t.seq
        limit 1
    ) t
    where (select r.queue from {schema}.paused_queues r where r.queue = q.name) is null
)
