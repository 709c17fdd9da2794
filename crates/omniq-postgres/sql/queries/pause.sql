-- Stops claims from a queue.
insert into {schema}.paused_queues (queue) values ($1) on conflict do nothing
