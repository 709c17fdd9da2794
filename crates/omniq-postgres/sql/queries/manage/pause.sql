-- Stops claims from a queue.
-- params: queue text
-- writes: paused_queues
insert into {schema}.paused_queues (queue) values (:queue) on conflict do nothing
