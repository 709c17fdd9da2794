-- Extends a worker's lease and takes the tasks that it is to stop: $1 worker, $2 its last beat, null if that is not known. Answers with
-- the tasks and the beat. No row: it was declared lost.
with me as materialized (
    select w.id, w.lease, w.cancelled
    from {schema}.workers w
    where w.id = $1 and w.ended_at is null
    for no key update
), told as (
    update {schema}.workers w set cancelled = '{}' from me where w.id = me.id and me.cancelled <> '{}'
), beat as (
    insert into {schema}.heartbeats (worker, ends_at) select me.id, clock_timestamp() + me.lease from me
    returning id
), last as (
    delete from {schema}.heartbeats b using me where b.worker = $1 and b.id = $2
), others as (
    delete from {schema}.heartbeats b using me where $2 is null and b.worker = $1
)
select me.cancelled, beat.id from me, beat
