-- Removes a worker that holds nothing any more. Answers with what it was asked to stop: the tasks, and the seq of each.
-- params: worker bigint
-- writes: workers, heartbeats
with beats as (
    delete from {schema}.heartbeats where worker = :worker
)
delete from {schema}.workers where id = :worker
returning cancelled, cancelled_seqs
