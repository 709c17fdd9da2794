-- Waking idle workers: which queues have a listener.

-- Who sleeps until a task arrives: each process holds a shared lock for each queue that it sleeps on, by the connection that listens.
-- Locks, not rows: dead rows under an old snapshot would make every enqueue look through them, and a lost process's lock goes
-- with its connection. Two queues with one hash ring each other's bell.
create view {schema}.listeners as
select l.pid, l.objid as queue_hash
from pg_catalog.pg_locks l
where l.locktype = 'advisory' and l.objsubid = 2 and l.mode = 'ShareLock' and l.granted
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and l.classid = (hashtext({channel})::bigint & 4294967295)::oid;

-- Whether anybody sleeps on this queue, or on so many that he has not listed them: then its bell is to be rung. A notification
-- takes a lock over the whole server, so there is none where nobody sleeps. The setting omniq.notify = off leaves all bells out: a
-- transaction that has rung one cannot be prepared (PREPARE TRANSACTION).
create function {schema}.has_listener(queue text) returns boolean
language sql volatile
begin atomic
    select case when current_setting('omniq.notify', true) = 'off' then false
                when not pg_try_advisory_lock(hashtext({channel}), hashtext(queue)) then true
                when not pg_advisory_unlock(hashtext({channel}), hashtext(queue)) then true
                when not pg_try_advisory_lock(hashtext({channel}), hashtext('')) then true
                else not pg_advisory_unlock(hashtext({channel}), hashtext('')) end;
end;
