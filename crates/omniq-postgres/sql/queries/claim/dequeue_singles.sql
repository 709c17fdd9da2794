-- Claims tasks as dequeue.sql does, for a worker whose last claim found only rows of one task, and as many as it wanted: without unrolling
-- segments and without a slice it costs the server a quarter less. If one of the next rows holds several tasks, it claims nothing, and
-- dequeue.sql follows.
-- params: queues text[], limit integer, worker bigint, funcs text[], epoch integer, priorities smallint[], seqs bigint[]
-- reads: paused_queues
-- index: tasks_ready
-- locks: the worker, for key share; the tasks, skip locked
-- writes: tasks, count_deltas
-- rows: whole
-- cursors: kept: what it does not claim of the rows that it locks, the next scan finds
with me as materialized (
    select w.id from {schema}.workers w where w.id = :worker and w.ended_at is null and w.epoch = :epoch for key share
), picked as materialized (
    select r.at, r.count
    from unnest(:queues, :priorities, :seqs) with ordinality as q(name, priority, seq, rank)
    cross join lateral (
        {next_rows}
        limit :limit
    ) r
    {may_claim}
    limit :limit
), whole as (
    update {schema}.tasks t
    set {claimed_by}
    from picked p
    where t.ctid = p.at and (select max(o.count) from picked o) = 1
    returning {task_columns}
), deltas as (
    insert into {schema}.count_deltas (queue, ready, running)
    select t.queue, -count(*), count(*) from whole t group by t.queue
)
select {task_columns} from whole t
