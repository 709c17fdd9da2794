-- Who has used tables of schema $1 for longer than $2 seconds: for the log of a migration that gave way, and for tests whose schema cannot be dropped.
select distinct
       case when p.gid is not null
            then format('the prepared transaction %L since %s', p.gid, to_char(p.prepared at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
            else format('session %s (%s) in a transaction since %s', l.pid, coalesce(nullif(a.application_name, ''), 'without a name'),
                        coalesce(to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'a time unknown'))
       end
from pg_catalog.pg_locks l
join pg_catalog.pg_class c on c.oid = l.relation
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
left join pg_catalog.pg_prepared_xacts p on l.virtualtransaction = '-1/' || p.transaction
where l.locktype = 'relation' and l.granted and n.nspname = $1
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and coalesce(a.xact_start, p.prepared, '-infinity') < clock_timestamp() - make_interval(secs => $2)
order by 1
