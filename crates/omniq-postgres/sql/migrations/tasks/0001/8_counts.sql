-- The number of tasks by queue and state, without scanning them: a statement that changes it adds a delta, and a rollup sums deltas into
-- totals. docs/decisions/0011-counts.md.

-- A row for each queue and statement that changes counts; rows are only added. Null is 0.
create table {schema}.count_deltas (
    -- The transaction, which tells whether the totals contain the delta.
    tx        xid8 not null default pg_current_xact_id(),
    queue     text not null,
    ready     bigint,
    scheduled bigint,
    running   bigint,
    dead      bigint,
    completed bigint,
    blocked   bigint
) with (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create index count_deltas_tx on {schema}.count_deltas (tx);
-- For logical replication. A key would be one more index for each delta.
alter table {schema}.count_deltas replica identity full;

-- The totals of a rollup contain all deltas that its snapshot saw. There is one rollup, except while a new one replaces it.
create table {schema}.count_rollups (
    rollup   bigint primary key,
    -- Transaction ids mean nothing in another cluster, to which a dump may take the table.
    cluster  bigint not null,
    snapshot pg_snapshot not null default pg_current_snapshot()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

create table {schema}.count_totals (
    rollup    bigint not null,
    queue     text not null,
    ready     bigint not null,
    scheduled bigint not null,
    running   bigint not null,
    dead      bigint not null,
    completed bigint not null,
    blocked   bigint not null,
    primary key (rollup, queue)
) with (autovacuum_vacuum_scale_factor = 1, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

-- The identity of the database cluster. A restart keeps it; a restore from a dump is another cluster.
create function {schema}.this_cluster() returns bigint
language sql stable
begin atomic
    select c.system_identifier from pg_catalog.pg_control_system() c;
end;

insert into {schema}.count_rollups (rollup, cluster) values (1, {schema}.this_cluster());

-- The deltas that no total contains. These are all visible rows, but a scan of the table would read everything that was rolled up and could
-- not be vacuumed yet, and the rows of open transactions. So the index is read for the transactions that were open at the rollup and are
-- not now, and for those that began later, in the gaps between transactions that are open. It pins its own planning settings.
create function {schema}.deltas_since_rollup() returns table (
    row_tid tid, queue text, ready bigint, scheduled bigint, running bigint, dead bigint, completed bigint, blocked bigint
)
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
begin
    return query
    with last as materialized (
        select f.snapshot, f.cluster = {schema}.this_cluster() as here
        from {schema}.count_rollups f
        where f.rollup = (select max(m.rollup) from {schema}.count_rollups m)
    ), closed as (
        select x.tx
        from last l, pg_snapshot_xip(l.snapshot) as x(tx)
        where l.here and pg_visible_in_snapshot(x.tx, pg_current_snapshot())
    ), bounds as (
        select case when l.here then (pg_snapshot_xmax(l.snapshot)::text::bigint - 1)::text else '0' end::xid8 as tx
        from last l
        union all
        select x.tx
        from last l, pg_snapshot_xip(pg_current_snapshot()) as x(tx)
        where l.here and x.tx >= pg_snapshot_xmax(l.snapshot)
    ), gaps as (
        select b.tx as after, coalesce(lead(b.tx) over (order by b.tx), '18446744073709551615') as before
        from bounds b
    )
    select t.ctid, t.queue, t.ready, t.scheduled, t.running, t.dead, t.completed, t.blocked
    from {schema}.count_deltas t
    where t.tx = any (array(select c.tx from closed c))
    union all
    select t.row_tid, t.queue, t.ready, t.scheduled, t.running, t.dead, t.completed, t.blocked
    from gaps g
    cross join lateral (
        select t.ctid as row_tid, t.queue, t.ready, t.scheduled, t.running, t.dead, t.completed, t.blocked
        from {schema}.count_deltas t
        where t.tx > g.after and t.tx < g.before
        -- An index scan for each gap, not a join.
        offset 0
    ) t;
end
{body};

-- The counts of a queue, or with null of each that holds tasks.
create function {schema}.counts_of(name text) returns table (
    queue text, ready bigint, scheduled bigint, running bigint, dead bigint, completed bigint, blocked bigint
)
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
begin
    return query
    select c.queue, coalesce(sum(c.ready), 0)::bigint, coalesce(sum(c.scheduled), 0)::bigint,
           coalesce(sum(c.running), 0)::bigint, coalesce(sum(c.dead), 0)::bigint, coalesce(sum(c.completed), 0)::bigint,
           coalesce(sum(c.blocked), 0)::bigint
    from (
        select t.queue, t.ready, t.scheduled, t.running, t.dead, t.completed, t.blocked
        from {schema}.count_totals t
        where t.rollup = (select max(f.rollup) from {schema}.count_rollups f)
        union all
        select u.queue, u.ready, u.scheduled, u.running, u.dead, u.completed, u.blocked
        from {schema}.deltas_since_rollup() u
    ) c
    where name is null or c.queue = name
    group by c.queue
    having sum(c.ready) <> 0 or sum(c.scheduled) <> 0 or sum(c.running) <> 0 or sum(c.dead) <> 0 or sum(c.completed) <> 0
        or sum(c.blocked) <> 0;
end
{body};

-- The counts of each queue that holds tasks, exact and without a scan.
create view {schema}.queue_counts as
select c.queue, c.ready, c.scheduled, c.running, c.dead, c.completed, c.blocked from {schema}.counts_of(null) c;

-- The same, by scanning all tasks.
create view {schema}.scanned_counts as
select t.queue,
       coalesce(sum(p.tasks) filter (where t.state = 1 and t.worker is null), 0)::bigint as ready,
       coalesce(sum(p.tasks) filter (where t.state = 0), 0)::bigint as scheduled,
       coalesce(sum(p.tasks) filter (where t.state = 1 and t.worker is not null), 0)::bigint as running,
       coalesce(sum(p.tasks) filter (where t.state = 3), 0)::bigint as dead,
       coalesce(sum(p.tasks) filter (where t.state = 4), 0)::bigint as completed,
       coalesce(sum(p.tasks) filter (where t.state = 2), 0)::bigint as blocked
from {schema}.tasks t, lateral (select t.count - coalesce(bit_count(t.removed), 0) as tasks) p
group by t.queue;

-- Makes new totals of the old ones and all deltas since, if there are at least this many, and at least one. Returns how many it rolled up.
-- One session at a time: a second one returns at once. With the owner's rights, because every role that changes counts may call it.
create function {schema}.roll_up_counts(at_least integer default 1) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    enough constant integer := greatest(at_least, 1);
    rolled_up bigint;
begin
    if (select count(*) from (select from {schema}.deltas_since_rollup() limit enough) u) < enough then
        return 0;
    end if;
    with last as materialized (
        select f.rollup
        from {schema}.count_rollups f
        where f.rollup = (select max(m.rollup) from {schema}.count_rollups m)
        for update skip locked
    ), changes as (
        delete from {schema}.count_deltas t
        where exists (select from last) and t.ctid = any (array(select u.row_tid from {schema}.deltas_since_rollup() u))
        returning t.queue, t.ready, t.scheduled, t.running, t.dead, t.completed, t.blocked
    ), old as (
        delete from {schema}.count_totals t
        where t.rollup = (select l.rollup from last l)
        returning t.queue, t.ready, t.scheduled, t.running, t.dead, t.completed, t.blocked
    ), before as (
        delete from {schema}.count_rollups f where f.rollup = (select l.rollup from last l)
    ), now as (
        insert into {schema}.count_rollups (rollup, cluster) select l.rollup + 1, {schema}.this_cluster() from last l
    ), new as (
        insert into {schema}.count_totals (rollup, queue, ready, scheduled, running, dead, completed, blocked)
        select (select l.rollup + 1 from last l), c.queue, coalesce(sum(c.ready), 0), coalesce(sum(c.scheduled), 0),
               coalesce(sum(c.running), 0), coalesce(sum(c.dead), 0), coalesce(sum(c.completed), 0),
               coalesce(sum(c.blocked), 0)
        from (select * from changes union all select * from old) c
        group by c.queue
        having sum(c.ready) <> 0 or sum(c.scheduled) <> 0 or sum(c.running) <> 0 or sum(c.dead) <> 0
            or sum(c.completed) <> 0 or sum(c.blocked) <> 0
    )
    select count(*) into rolled_up from changes;
    return rolled_up;
end
{body};
revoke execute on function {schema}.roll_up_counts(integer) from public;

-- Makes the totals anew by scanning all tasks, after changes by SQL. Writers wait meanwhile.
create function {schema}.recount() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as {body}
begin
    -- A snapshot from before the locks would miss what was written until they were granted.
    if current_setting('transaction_isolation') <> 'read committed' then
        perform {schema}.refuse('25001', 'recount() works in transactions that are read committed only');
    end if;
    -- Writers and rollups wait, readers do not. The deltas are not locked as well, because writers lock both tables in no fixed order.
    lock table {schema}.tasks in share row exclusive mode;
    lock table {schema}.count_rollups in share row exclusive mode;
    with changes as (
        delete from {schema}.count_deltas
    ), old as (
        delete from {schema}.count_totals
    ), before as (
        delete from {schema}.count_rollups
    ), now as (
        insert into {schema}.count_rollups (rollup, cluster)
        select coalesce(max(f.rollup), 0) + 1, {schema}.this_cluster() from {schema}.count_rollups f
        returning rollup
    )
    insert into {schema}.count_totals (rollup, queue, ready, scheduled, running, dead, completed, blocked)
    select (select n.rollup from now n), c.queue, c.ready, c.scheduled, c.running, c.dead, c.completed, c.blocked
    from {schema}.scanned_counts c;
end
{body};
revoke execute on function {schema}.recount() from public;

-- A truncation is the one change by SQL that can be detected at no cost.
create function {schema}.recount_truncated() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as {body}
begin
    perform {schema}.recount();
    return null;
end
{body};
-- Otherwise a trigger on any table could recount.
revoke execute on function {schema}.recount_truncated() from public;
create trigger tasks_truncated after truncate on {schema}.tasks
for each statement execute function {schema}.recount_truncated();
