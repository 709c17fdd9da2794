-- $1 queues text[]
-- $2 limit int4
-- $3 worker int8
-- $4 funcs text[]
-- $5 epoch int4
-- $6 priorities int2[]
-- $7 seqs int8[]
-- omniq: dequeue_singles
with me as materialized (
    select w.id from "omniq".workers w where w.id = $3 and w.ended_at is null and w.epoch = $5 for key share
), picked as materialized (
    select r.at, r.count
    from unnest($1, $6, $7) with ordinality as q(name, priority, seq, rank)
    cross join lateral (
        select * from (
                    select t.ctid as at, t.count, t.removed from "omniq".tasks t
                    where t.state = 1 and t.queue = q.name and t.worker is null
                      and (t.expires_at is null or t.expires_at > now())
                      and ($4 is null or t.func = any ($4)) and t.priority > coalesce(q.priority, -32769)
                    order by t.priority desc, t.seq limit $2 for update skip locked) above
                union all
                select * from (
                    select t.ctid as at, t.count, t.removed from "omniq".tasks t
                    where t.state = 1 and t.queue = q.name and t.worker is null
                      and (t.expires_at is null or t.expires_at > now())
                      and ($4 is null or t.func = any ($4)) and t.priority = q.priority and t.seq >= q.seq
                    order by t.priority desc, t.seq limit $2 for update skip locked) onward
                union all
                select * from (
                    select t.ctid as at, t.count, t.removed from "omniq".tasks t
                    where t.state = 1 and t.queue = q.name and t.worker is null
                      and (t.expires_at is null or t.expires_at > now())
                      and ($4 is null or t.func = any ($4)) and t.priority < q.priority
                    order by t.priority desc, t.seq limit $2 for update skip locked) below
        limit $2
    ) r
    -- Subqueries, not joins, so that the loop keeps the order of the queues.
        where ((select me.id from me) is not null
               or "omniq".refuse('OQ001', format('worker %s is not known (any more): its claims are lost', $3)))
          and (select r.queue from "omniq".paused_queues r where r.queue = q.name) is null
    limit $2
), whole as (
    update "omniq".tasks t
    set worker = $3, attempt = least(greatest(t.attempt, 0), 2147483646) + 1,
        claims = least(greatest(t.claims, 0), 2147483646) + 1, claimed_at = clock_timestamp()
    from picked p
    where t.ctid = p.at and (select max(o.count) from picked o) = 1
    returning t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked
), deltas as (
    insert into "omniq".count_deltas (queue, ready, running)
    select t.queue, -count(*), count(*) from whole t group by t.queue
)
select t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked from whole t
