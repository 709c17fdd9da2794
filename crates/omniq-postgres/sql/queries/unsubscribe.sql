-- Nobody sleeps on these queues any more.
select pg_advisory_unlock_shared(hashtext({channel}), hashtext(q.name)) from unnest($1::text[]) as q(name)
