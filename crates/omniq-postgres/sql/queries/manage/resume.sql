-- Allows claims from a queue again.
-- params: queue text
-- writes: paused_queues; notifies
with deleted as (
    delete from {schema}.paused_queues where queue = :queue returning queue
)
select pg_notify({channel}, d.queue) from deleted d
