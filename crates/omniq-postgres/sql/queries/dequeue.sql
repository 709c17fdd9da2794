-- Claims tasks: $1 queues in order, $2 limit, $3 worker, $4 functions or null for any, $5 the worker's epoch.
-- The lock on the worker's row keeps it from being declared lost between this claim and its commit.
with me as materialized (
    select w.id from {schema}.workers w where w.id = $3 and w.ended_at is null and w.epoch = $5 for key share
), picked as materialized (
    select p.id, p.count, q.place
    from unnest($1::text[]) with ordinality as q(name, place)
    cross join lateral (
        select t.id, t.count
        from {schema}.tasks t
        where t.state = 1 and t.queue = q.name and t.worker is null
          and (t.expires_at is null or t.expires_at > now())
          and ($4::text[] is null or t.func = any ($4))
        order by t.priority desc, t.seq
        limit $2
        for update skip locked
    ) p
    -- Subqueries, not joins: the loop must stay in the order of the queues given.
    where ((select me.id from me) is not null
           or {schema}.refuse('OQ001', format('worker %s is not known (any more): its claims are lost', $3)))
      and (select r.queue from {schema}.paused_queues r where r.queue = q.name) is null
    limit $2
), claimed as (
    update {schema}.tasks t
    set worker = $3, attempt = t.attempt + 1, claims = t.claims + 1, claimed_at = clock_timestamp()
    from picked p
    where t.id = any (array[p.id]) and t.count = p.count
    returning t.*, p.place
)
select {task_columns}
from claimed t
order by t.place, t.priority desc, t.seq
