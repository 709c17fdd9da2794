-- Releases the locks of these queues.
-- params: queues text[]
select pg_advisory_unlock_shared(hashtext({channel}), hashtext(q.name)) from unnest(:queues) as q(name)
