-- Claims tasks: $1 queues in order, $2 limit, $3 worker, $4 functions or null for any, $5 the worker's epoch, $6 how
-- many more than the limit are welcome, $7 and $8 for each queue the priority and the place in the order of arrival where the last
-- claim ended, or null: at that priority what is before is not looked at. Whole rows, and a slice off the front of the last one if the rest is too much.
-- The lock on the worker's row keeps it from being declared lost between this claim and its commit. Rows come in no order.
-- Counters are kept within their range, whatever somebody has written: one such row must not fail every claim.
-- A row is found again by where it was when it was locked. If another one changed it since this statement began, it is not there for
-- this statement: then it is not claimed, and not counted, and the next claim gets it.
with me as materialized (
    select w.id from {schema}.workers w where w.id = $3 and w.ended_at is null and w.epoch = $5 for key share
), picked as materialized (
    select p.at, p.removed, min(p.index) as first, max(p.index) as last, count(*)::integer as tasks,
           count(*) >= p.count - coalesce(bit_count(p.removed), 0) - $6 as whole
    from (
        select p.at, p.count, p.removed, p.index, q.rank
        from unnest($1::text[], $7::smallint[], $8::bigint[]) with ordinality as q(name, priority, seq, rank)
        cross join lateral (
            select r.at, r.count, r.removed, s.index
            from (
                select * from (
                    select t.ctid as at, t.count, t.removed from {schema}.tasks t
                    where {claimable} and t.priority > coalesce(q.priority, -32769)
                    order by t.priority desc, t.seq limit $2 for update skip locked) above
                union all
                select * from (
                    select t.ctid as at, t.count, t.removed from {schema}.tasks t
                    where {claimable} and t.priority = q.priority and t.seq >= q.seq
                    order by t.priority desc, t.seq limit $2 for update skip locked) onward
                union all
                select * from (
                    select t.ctid as at, t.count, t.removed from {schema}.tasks t
                    where {claimable} and t.priority < q.priority
                    order by t.priority desc, t.seq limit $2 for update skip locked) below
            ) r
            -- Row after row is locked and unrolled, until there are enough tasks.
            cross join lateral (
                select s.index
                from (select generate_series(0, r.count - 1)) as s(index)
                where r.removed is null or get_bit(r.removed, s.index) = 0
                offset 0
            ) s
            limit $2
        ) p
        -- Subqueries, not joins: the loop must stay in the order of the queues given.
        where ((select me.id from me) is not null
               or {schema}.refuse('OQ001', format('worker %s is not known (any more): its claims are lost', $3)))
          and (select r.queue from {schema}.paused_queues r where r.queue = q.name) is null
        limit $2
    ) p
    group by p.at, p.count, p.removed, p.rank
), whole as (
    update {schema}.tasks t
    set worker = $3, attempt = least(greatest(t.attempt, 0), 2147483646) + 1, claims = least(greatest(t.claims, 0), 2147483646) + 1, claimed_at = clock_timestamp()
    from picked p
    where t.ctid = p.at and p.whole
    returning {task_columns}
), cut as (
    update {schema}.tasks t
    set removed = coalesce(t.removed, {schema}.zeros(t.count))
               | {schema}.shift_mask(~{schema}.zeros(p.last - p.first + 1), -p.first, t.count)
    from picked p
    where t.ctid = p.at and not p.whole
    returning {task_columns}, p.first, p.last, p.tasks, p.removed as removed_before
), slice as (
    insert into {schema}.tasks (
        id, seq, queue, func, codec, count, removed, payloads, priority, state, run_at, expires_at, attempt, claims,
        max_retries, options, metadata, error, created_at, worker, claimed_at)
    select {schema}.id_after(c.id, c.first), c.seq - c.count + 1 + c.last, c.queue, c.func, c.codec, c.last - c.first + 1,
           -- What was removed before the cut is not in the slice either.
           case when c.tasks <= c.last - c.first
                then substring(c.removed_before from c.first + 1 for c.last - c.first + 1) end,
           c.payloads[c.first + 1:c.last + 1], c.priority, c.state, c.run_at, c.expires_at,
           least(greatest(c.attempt, 0), 2147483646) + 1, least(greatest(c.claims, 0), 2147483646) + 1, c.max_retries, c.options, c.metadata, c.error, c.created_at, $3, clock_timestamp()
    from cut c
    returning *
), deltas as (
    insert into {schema}.count_deltas (queue, ready, running)
    select m.queue, -sum(m.tasks), sum(m.tasks)
    from (select t.queue, {present} as tasks from whole t
          union all select c.queue, c.tasks from cut c) m
    group by m.queue
)
select {task_columns} from whole t
union all
select {task_columns} from slice t
