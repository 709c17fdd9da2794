-- From now on, bells of these queues are rung: one lock each, held by this connection.
select pg_advisory_lock_shared(hashtext({channel}), hashtext(q.name)) from unnest($1::text[]) as q(name)
