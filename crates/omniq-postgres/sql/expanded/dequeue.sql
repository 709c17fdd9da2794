-- $1 queues text[]
-- $2 limit int4
-- $3 worker int8
-- $4 funcs text[]
-- $5 epoch int4
-- $6 overfetch int4
-- $7 priorities int2[]
-- $8 seqs int8[]
-- omniq: dequeue
with me as materialized (
    select w.id from "omniq".workers w where w.id = $3 and w.ended_at is null and w.epoch = $5 for key share
), picked as materialized (
    select p.at, p.removed, min(p.index) as first, max(p.index) as last, count(*)::integer as tasks,
           count(*) >= p.count - coalesce(bit_count(p.removed), 0) - $6 as whole
    from (
        select p.at, p.count, p.removed, p.index, q.rank
        from unnest($1, $7, $8) with ordinality as q(name, priority, seq, rank)
        cross join lateral (
            select r.at, r.count, r.removed, s.index
            from (
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
            ) r
            -- One row after the other is locked and unrolled, until there are enough tasks.
            cross join lateral (
                select s.index
                from (select generate_series(0, r.count - 1)) as s(index)
                where r.removed is null or get_bit(r.removed, s.index) = 0
                offset 0
            ) s
            limit $2
        ) p
        -- Subqueries, not joins, so that the loop keeps the order of the queues.
        where ((select me.id from me) is not null
               or "omniq".refuse('OQ001', format('worker %s is not known (any more): its claims are lost', $3)))
          and (select r.queue from "omniq".paused_queues r where r.queue = q.name) is null
        limit $2
    ) p
    group by p.at, p.count, p.removed, p.rank
), whole as (
    update "omniq".tasks t
    set worker = $3, attempt = least(greatest(t.attempt, 0), 2147483646) + 1,
        claims = least(greatest(t.claims, 0), 2147483646) + 1, claimed_at = clock_timestamp()
    from picked p
    where t.ctid = p.at and p.whole
    returning t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked
), cut as (
    update "omniq".tasks t
    set removed = coalesce(t.removed, "omniq".zeros(t.count))
               | "omniq".shift_mask(~"omniq".zeros(p.last - p.first + 1), -p.first, t.count)
    from picked p
    where t.ctid = p.at and not p.whole
    returning t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked, p.first, p.last, p.tasks, p.removed as removed_before
), slice as (
    insert into "omniq".tasks (
        id, seq, count, removed, payloads, state, run_at, expires_at, attempt, claims, error, worker, claimed_at,
        queue, func, codec, priority, max_retries, options, metadata, created_at, linked)
    select "omniq".id_after(c.id, c.first), c.seq - c.count + 1 + c.last, c.last - c.first + 1,
           -- What was removed before the cut is not in the slice either.
           case when c.tasks <= c.last - c.first
                then substring(c.removed_before from c.first + 1 for c.last - c.first + 1) end,
           c.payloads[c.first + 1:c.last + 1], c.state, c.run_at, c.expires_at,
           least(greatest(c.attempt, 0), 2147483646) + 1, least(greatest(c.claims, 0), 2147483646) + 1, c.error, $3,
           clock_timestamp(), queue, func, codec, priority, max_retries, options, metadata, created_at, linked
    from cut c
    returning *
), deltas as (
    insert into "omniq".count_deltas (queue, ready, running)
    select m.queue, -sum(m.tasks), sum(m.tasks)
    from (select t.queue, (t.count - coalesce(bit_count(t.removed), 0)) as tasks from whole t
          union all select c.queue, c.tasks from cut c) m
    group by m.queue
)
select t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked from whole t
union all
select t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    queue, func, codec, priority, max_retries, options, metadata, created_at, linked from slice t
