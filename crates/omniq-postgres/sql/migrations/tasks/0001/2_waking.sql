-- Waking idle workers: which queues have a listener.

-- The listeners: the listening connection of each process holds a shared lock for each queue that it has a subscription to. Locks, not rows:
-- every enqueue would have to read dead rows while an old snapshot keeps them, and the lock of a lost process ends with its connection.
-- Two queues with the same hash notify each other's listeners.
create view {schema}.listeners as
select l.pid, l.objid as queue_hash
from pg_catalog.pg_locks l
where l.locktype = 'advisory' and l.objsubid = 2 and l.mode = 'ShareLock' and l.granted
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and l.classid = (hashtext({channel})::bigint & 4294967295)::oid;

-- Whether a listener has subscribed to this queue, or to more queues than it takes locks for. Only then an enqueue notifies, because a
-- notification takes a lock on the whole server. The setting omniq.notify = off suppresses notifications: a transaction that has notified
-- cannot be prepared (PREPARE TRANSACTION).
create function {schema}.has_listener(queue text) returns boolean
language sql volatile
begin atomic
    select case when current_setting('omniq.notify', true) = 'off' then false
                when not pg_try_advisory_lock(hashtext({channel}), hashtext(queue)) then true
                when not pg_advisory_unlock(hashtext({channel}), hashtext(queue)) then true
                when not pg_try_advisory_lock(hashtext({channel}), hashtext('')) then true
                else not pg_advisory_unlock(hashtext({channel}), hashtext('')) end;
end;
