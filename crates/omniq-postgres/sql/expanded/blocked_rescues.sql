-- $1 workers int8[]
-- omniq: blocked_rescues
with blocked as materialized (
    select t.xmax as holder from "omniq".tasks t where t.state = 1 and t.worker = any ($1) limit 100
)
select (select count(*) from blocked), array(select case when p.gid is not null
            then format('the prepared transaction %L since %s, which COMMIT PREPARED or ROLLBACK PREPARED ends',
                        p.gid, to_char(p.prepared at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
            else format('session %s (%s) in a transaction since %s', l.pid, coalesce(nullif(a.application_name, ''), 'without a name'),
                        coalesce(to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'a time unknown'))
       end
from pg_catalog.pg_locks l
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
left join pg_catalog.pg_prepared_xacts p on p.transaction = l.transactionid
where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted
  and l.transactionid in (select o.holder from blocked o)
  -- A transaction that has just begun is another worker or a verb, and ends in a moment.
  and coalesce(a.xact_start < now() - interval '1 second', true)
order by l.pid)
