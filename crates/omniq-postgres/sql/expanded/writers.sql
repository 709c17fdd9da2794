-- $1 transactions text[]
-- omniq: writers
select coalesce(array_agg(l.virtualtransaction), '{}')
from pg_catalog.pg_locks l
where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted
  and l.relation = $omniq0$"omniq".tasks$omniq0$::regclass
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and ($1 is null or l.virtualtransaction = any ($1))
