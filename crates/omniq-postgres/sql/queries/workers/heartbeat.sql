-- Extends a worker's lease, and answers with the tasks that it is to stop and the id of this heartbeat. No row: the worker was declared lost.
-- :used is the number of its slots that are used, or null; :last the id of its last heartbeat, or null if that is not known; :over the tasks
-- that an earlier heartbeat has named when the worker held them no more, which are named once more and forgotten: one of them may have been
-- claimed and cancelled again meanwhile. Nothing of it waits for a lock on tasks.
-- params: worker bigint, used integer, last bigint, over uuid[]
-- locks: the worker, for no key update
-- writes: heartbeats, workers
with me as materialized (
    select w.id, w.lease, w.cancelled, w.cancelled_seqs,
           array(select c.id from unnest(w.cancelled, w.cancelled_seqs) as c(id, seq) where c.id <> all (:over) order by c.seq, c.id) as kept,
           array(select c.seq from unnest(w.cancelled, w.cancelled_seqs) as c(id, seq) where c.id <> all (:over) order by c.seq, c.id) as seqs
    from {schema}.workers w
    where w.id = :worker and w.ended_at is null
    for no key update
), taken as (
    update {schema}.workers w set cancelled = me.kept, cancelled_seqs = me.seqs from me where w.id = me.id and me.kept <> me.cancelled
), beat as (
    insert into {schema}.heartbeats (worker, ends_at, used) select me.id, clock_timestamp() + me.lease, :used from me
    returning id
), last as (
    delete from {schema}.heartbeats b using me where b.worker = :worker and b.id = :last
), others as (
    delete from {schema}.heartbeats b using me where :last is null and b.worker = :worker
)
select me.cancelled, me.cancelled_seqs, beat.id from me, beat
