-- Extends a worker's lease, and answers with the tasks that it is to stop; those that it does not hold any more are told once. :used is the number of its slots that are used, or null; :last the id of its
-- last heartbeat, or null if that is not known. Answers with the tasks and the id of this heartbeat. No row: the worker was declared lost.
-- params: worker bigint, used integer, last bigint
-- index: tasks_id
-- locks: the worker, for no key update
-- writes: heartbeats, workers
with me as materialized (
    select w.id, w.lease, w.cancelled
    from {schema}.workers w
    where w.id = :worker and w.ended_at is null
    for no key update
), taken as (
    update {schema}.workers w
    set cancelled = array(
        select c.id from unnest(me.cancelled) as c(id)
        cross join lateral {schema}.segment_of(c.id) s
        join {schema}.tasks t on t.id = any (array[s.id]) and t.count = s.count
        where t.worker = me.id)
    from me
    where w.id = me.id and me.cancelled <> '{}'
), beat as (
    insert into {schema}.heartbeats (worker, ends_at, used) select me.id, clock_timestamp() + me.lease, :used from me
    returning id
), last as (
    delete from {schema}.heartbeats b using me where b.worker = :worker and b.id = :last
), others as (
    delete from {schema}.heartbeats b using me where :last is null and b.worker = :worker
)
select me.cancelled, beat.id from me, beat
