-- Allows claims from a queue again, and wakes who sleeps on it.
with gone as (
    delete from {schema}.paused_queues where queue = $1 returning queue
)
select pg_notify({channel}, g.queue) from gone g
