-- Claims tasks of :queues, in this order, for :worker: up to :limit, and up to :overfetch more if they are in the last row and would have to
-- be cut off. :funcs limits the functions; null: any. For each queue :priorities and :seqs give the position where the last claim ended;
-- null: the scan begins at the front. At that priority earlier tasks are not scanned. Rows come in no order.
--
-- Whole rows are claimed. If the last row holds too many tasks, a slice is cut off its front. The lock on the worker's row keeps the worker
-- from being declared lost between this claim and its commit. Counters are kept within their range: a bad row, written by another program,
-- must not fail every claim. A row is updated by its ctid: if another transaction has changed it since this statement began, it is not
-- claimed and not counted, and the next claim gets it.
-- params: queues text[], limit integer, worker bigint, funcs text[], epoch integer, overfetch integer, priorities smallint[],
-- params: seqs bigint[]
-- reads: paused_queues
-- index: tasks_ready
-- locks: the worker, for key share; the tasks, skip locked
-- writes: tasks, count_deltas
-- rows: whole
-- cursors: kept: what it does not claim of the rows that it locks, the next scan finds
with me as materialized (
    select w.id from {schema}.workers w where w.id = :worker and w.ended_at is null and w.epoch = :epoch for key share
), picked as materialized (
    select p.at, p.removed, min(p.index) as first, max(p.index) as last, count(*)::integer as tasks,
           count(*) >= p.count - coalesce(bit_count(p.removed), 0) - :overfetch as whole
    from (
        select p.at, p.count, p.removed, p.index, q.rank
        from unnest(:queues, :priorities, :seqs) with ordinality as q(name, priority, seq, rank)
        cross join lateral (
            select r.at, r.count, r.removed, s.index
            from (
                {next_rows}
            ) r
            -- One row after the other is locked and unrolled, until there are enough tasks.
            cross join lateral (
                select s.index
                from (select generate_series(0, r.count - 1)) as s(index)
                where r.removed is null or get_bit(r.removed, s.index) = 0
                offset 0
            ) s
            limit :limit
        ) p
        {may_claim}
        limit :limit
    ) p
    group by p.at, p.count, p.removed, p.rank
), whole as (
    update {schema}.tasks t
    set {claimed_by}
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
        id, seq, count, removed, payloads, state, run_at, expires_at, attempt, claims, error, worker, claimed_at,
        {shared_columns})
    select {schema}.id_after(c.id, c.first), c.seq - c.count + 1 + c.last, c.last - c.first + 1,
           -- What was removed before the cut is not in the slice either.
           case when c.tasks <= c.last - c.first
                then substring(c.removed_before from c.first + 1 for c.last - c.first + 1) end,
           c.payloads[c.first + 1:c.last + 1], c.state, c.run_at, c.expires_at,
           least(greatest(c.attempt, 0), 2147483646) + 1, least(greatest(c.claims, 0), 2147483646) + 1, c.error, :worker,
           clock_timestamp(), {shared_columns}
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
