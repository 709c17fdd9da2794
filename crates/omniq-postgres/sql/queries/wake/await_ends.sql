-- Takes a lock for each of these names (see has_waits): from now on the ends of their tasks notify. The locks belong to this connection.
-- params: names text[]
-- locks: advisory, shared
select pg_advisory_lock_shared(hashtext({channel} || ' ends'), hashtext(w.name)) from unnest(:names) as w(name)
