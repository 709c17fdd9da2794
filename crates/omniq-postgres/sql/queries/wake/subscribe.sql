-- Takes a lock for each of these queues: from now on enqueues on them notify. The locks belong to this connection.
-- params: queues text[]
-- locks: advisory, shared
select pg_advisory_lock_shared(hashtext({channel}), hashtext(q.name)) from unnest(:queues) as q(name)
