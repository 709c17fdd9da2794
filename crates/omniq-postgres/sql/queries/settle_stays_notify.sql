,
       (select count(pg_notify({channel}, q.queue))
        -- For scheduled ones, too: sleepers know only of those that were there when they fell asleep.
        from (select c.queue from changed c where c.state in (0, 1) union select a.queue from apart a where a.state in (0, 1)) q
        where {schema}.has_listener(q.queue))
