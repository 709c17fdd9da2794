-- Subqueries, not joins, so that the loop keeps the order of the queues.
        where ((select me.id from me) is not null
               or {schema}.refuse('OQ001', format('worker %s is not known (any more): its claims are lost', :worker)))
          and (select r.queue from {schema}.paused_queues r where r.queue = q.name) is null