-- The transactions that write tasks just now; of those in $1 alone, unless it is null. What they add may not have been announced
-- to one who has just fallen asleep.
select coalesce(array_agg(l.virtualtransaction), '{}')
from pg_catalog.pg_locks l
where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted
  and l.relation = {body}{schema}.tasks{body}::regclass
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and ($1::text[] is null or l.virtualtransaction = any ($1))
