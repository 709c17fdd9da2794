-- $1 ends bool
-- $2 transactions text[]
-- omniq: writers
select coalesce(array_agg(l.virtualtransaction), '{}')
from pg_catalog.pg_locks l
where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted
  and l.relation in (to_regclass($omniq0$"omniq".tasks$omniq0$),
                     case when $1 then to_regclass($omniq0$"omniq".result_segments$omniq0$) end)
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and ($2 is null or l.virtualtransaction = any ($2))
