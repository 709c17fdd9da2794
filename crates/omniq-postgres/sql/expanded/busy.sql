-- $1 firsts uuid[]
-- $2 lasts uuid[]
-- $3 base_ids uuid[]
-- $4 masks varbit[]
-- $5 workers int8[]
-- $6 numbers int4[]
-- $7 outcomes text[]
-- omniq: busy
with given as materialized (
    select g.*
    from unnest($1, $2, $3, $4, $5, $6, $7)
         with ordinality as g(first, last, base_id, mask, worker, number, outcome, no)
), found as materialized (
    select g.no, t.distance, t.xmax as holder,
           ("omniq".shift_mask(g.mask, t.distance, t.count) & ~coalesce(t.removed, "omniq".zeros(t.count)))::bit varying as hits
    from given g
    cross join lateral (
        select * from (
            select t.count, t.removed, "omniq".offset_of(t.id) - "omniq".offset_of(g.first) as distance, t.xmax
            from "omniq".tasks t
            where t.id >= g.base_id and t.id < g.first and t.count > 1
              and "omniq".offset_of(g.first) - "omniq".offset_of(t.id) < t.count and case when g.worker is not null then t.worker = g.worker and t.claims = g.number and g.outcome <> 'expire'
                   else t.worker is null
                        and (t.state in (0, 1) and (g.outcome = 'cancel' or g.outcome = 'expire' and t.expires_at <= now())
                             or t.state = 2
                                and (g.outcome = 'cancel'
                                     or g.outcome = 'fail' and exists (
                                         select from "omniq".nodes n join "omniq".waits w on w.id = n.wait
                                         where n.id = t.id and w.broken is not null))) end) a
        union all
        select * from (
            select t.count, t.removed, "omniq".offset_of(t.id) - "omniq".offset_of(g.first) as distance, t.xmax
            from "omniq".tasks t
            where t.id >= g.first and t.id <= g.last and case when g.worker is not null then t.worker = g.worker and t.claims = g.number and g.outcome <> 'expire'
                   else t.worker is null
                        and (t.state in (0, 1) and (g.outcome = 'cancel' or g.outcome = 'expire' and t.expires_at <= now())
                             or t.state = 2
                                and (g.outcome = 'cancel'
                                     or g.outcome = 'fail' and exists (
                                         select from "omniq".nodes n join "omniq".waits w on w.id = n.wait
                                         where n.id = t.id and w.broken is not null))) end) b
    ) t
), blocked as (
    select * from found f where bit_count(f.hits) > 0
)
select coalesce(array_agg(h.no), '{}'), coalesce(array_agg(h.distance), '{}'), coalesce(array_agg(h.hits), '{}'),
       array(select case when p.gid is not null
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
from blocked h
