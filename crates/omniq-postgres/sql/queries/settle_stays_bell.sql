,
       (select count(pg_notify({channel}, q.queue))
        from (select c.queue from changed c where c.state = 1 union select a.queue from apart a where a.state = 1) q
        where {schema}.sleeps(q.queue))
