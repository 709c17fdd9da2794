-- The transactions that are writing tasks, and with :ends those that are writing results; with :transactions, those of them alone. What they
-- do may notify nothing, because they may have looked for listeners before there was one.
-- params: ends boolean, transactions text[]
-- read only
select coalesce(array_agg(l.virtualtransaction), '{}')
from pg_catalog.pg_locks l
where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted
  and l.relation in (to_regclass({body}{schema}.tasks{body}),
                     case when :ends then to_regclass({body}{schema}.result_segments{body}) end)
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and (:transactions is null or l.virtualtransaction = any (:transactions))
