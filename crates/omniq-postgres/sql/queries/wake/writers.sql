-- The transactions that are writing tasks; with :transactions, those of them alone. What they add may notify nothing, because they may have
-- looked for listeners before there was one.
-- params: transactions text[]
-- read only
select coalesce(array_agg(l.virtualtransaction), '{}')
from pg_catalog.pg_locks l
where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted
  and l.relation = {body}{schema}.tasks{body}::regclass
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and (:transactions is null or l.virtualtransaction = any (:transactions))
