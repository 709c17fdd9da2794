-- Allows claims from a queue again, and wakes who sleeps on it.
with deleted as (
    delete from {schema}.paused_queues where queue = $1 returning queue
)
select pg_notify({channel}, d.queue) from deleted d
