-- Acting on the notes of ends, so that tasks that waited for others go on. docs/decisions/0055-dependencies.md.

-- Links the predecessors of these waits, so that their ends are noted from now on, and tells how each of them that was not linked stands: as in
-- end_notes, 4 for one that has not ended; null if its row is locked, or has moved. Only advance() calls it.
create function {schema}.link_predecessors(looks uuid[]) returns table (task uuid, how smallint)
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    wanted uuid[];
begin
    insert into {schema}.nodes (id, linked)
    select distinct p.node, false from {schema}.predecessors p where p.wait = any (looks)
    on conflict do nothing;
    -- One that has ended can be there again, under the same id.
    wanted := array(
        select distinct p.node from {schema}.predecessors p join {schema}.nodes n on n.id = p.node
        where p.wait = any (looks) and (not n.linked or n.ended is not null));
    return query
        with there as materialized (
            select w.node, r.id, r.count from unnest(wanted) as w(node) cross join lateral {schema}.segment_of(w.node) r
        ), locked as materialized (
            select s.id, s.count, l.state, l.linked, l.removed
            from (select distinct t.id, t.count from there t order by t.id, t.count) s
            cross join lateral (
                select t.state, t.linked, t.removed from {schema}.tasks t
                where t.id = any (array[s.id]) and t.count = s.count
                for update skip locked) l
        ), found as materialized (
            -- A claim or a settlement may have taken it out of the row, before that was locked.
            select t.node, l.id, l.count, l.state
            from there t
            join locked l on l.id = t.id and l.count = t.count
            where case when l.removed is null then true else get_bit(l.removed, {schema}.offset_of(t.node) - {schema}.offset_of(l.id)) = 0 end
        ), linked as (
            update {schema}.tasks t set linked = true from locked l
            where t.id = any (array[l.id]) and t.count = l.count and not l.linked and l.state <> 4
        ), nodes as (
            update {schema}.nodes n set linked = true
            from found f
            where n.id = f.node and f.state <> 4 and not n.linked
        )
        select t.node, (case f.state when 3 then 2 when 4 then 1 else case when f.id is not null then 4 end end)::smallint
        from there t
        left join found f on f.node = t.node
        union all
        -- Of others that were not linked their results tell, or what was known before. One of which nothing is known counts as completed.
        select n.id, coalesce(e.how, (select p.seen from {schema}.predecessors p where p.node = n.id and p.wait = any (looks) and p.seen is not null limit 1), 1)::smallint
        from {schema}.nodes n
        left join {schema}.ends_by_result(wanted) e on e.id = n.id
        where n.id = any (wanted) and n.ended is null and n.id not in (select t.node from there t);
end
{body};

-- Counts ends, and returns the waits that they concern. A note tells how a task has ended only if its row is gone: otherwise the row tells, because
-- notes can be acted on late. Only advance() calls it.
create function {schema}.count_ends(tasks uuid[], hows smallint[]) returns table (wait uuid, is_over boolean, is_broken boolean)
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
begin
    return query
        with steps as materialized (
            select s.id, s.before, s.now
            from (
                select n.id, n.ended as before,
                       case when r.state is not null then case r.state when 3 then 2 when 4 then 1 end
                            -- One that has completed, or is gone, stays so. A dead letter without a row has been removed since, which is noted as well.
                            when n.ended in (1, 3) and g.how <> 1 then n.ended
                            when g.how <> 4 then g.how end::smallint as now
                from unnest(count_ends.tasks, hows) as g(task, how)
                join {schema}.nodes n on n.id = g.task
                left join lateral (
                    select t.state from {schema}.segment_of(g.task) r join {schema}.tasks t on t.id = any (array[r.id]) and t.count = r.count) r on true
            ) s
            where s.before is distinct from s.now
        ), ended as (
            update {schema}.nodes n
            set ended = s.now, since = clock_timestamp(), look_at = clock_timestamp() + interval '1 minute'
            from steps s
            where n.id = s.id
        )
        update {schema}.waits w
        set pending = w.pending - g.done, broken = coalesce(w.broken, g.broken), by_dead = coalesce(w.by_dead, g.by_dead)
        from (
            select p.wait,
                   sum(case when o.run then (s.now is not null)::integer - (s.before is not null)::integer
                            else (s.now is not distinct from 1)::integer - (s.before is not distinct from 1)::integer end)::integer as done,
                   (array_agg(s.id order by s.now) filter (where s.now in (2, 3) and not o.run))[1] as broken,
                   bool_or(s.now = 2) filter (where s.now in (2, 3) and not o.run) as by_dead
            from steps s
            join {schema}.predecessors p on p.node = s.id
            join {schema}.waits o on o.id = p.wait
            group by p.wait
        ) g
        where w.id = g.wait
        returning w.id, w.pending = 0 and w.broken is null, w.broken is not null;
end
{body};

-- Gives tasks that are retried waits of their own, so that the others with the same predecessors stay as they are, and returns these waits. Only
-- advance() calls it.
create function {schema}.own_waits(tasks uuid[]) returns uuid[]
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    shared record;
begin
    select array_agg(n.id) as tasks, array_agg(n.wait) as old, array_agg({schema}.new_id()) as new into shared
    from {schema}.nodes n
    where n.id = any (own_waits.tasks) and exists (select from {schema}.nodes m where m.wait = n.wait and m.id <> n.id);
    insert into {schema}.waits (id, run, pending)
    select s.new, w.run, w.pending from unnest(shared.old, shared.new) as s(old, new) join {schema}.waits w on w.id = s.old;
    insert into {schema}.predecessors (node, wait, rank, seen)
    select p.node, s.new, p.rank, p.seen from unnest(shared.old, shared.new) as s(old, new) join {schema}.predecessors p on p.wait = s.old;
    update {schema}.nodes n set wait = s.new from unnest(shared.tasks, shared.new) as s(task, new) where n.id = s.task;
    with unused as (
        delete from {schema}.waits w
        where w.id = any (shared.old) and not exists (select from {schema}.nodes n where n.wait = w.id)
        returning w.id
    )
    delete from {schema}.predecessors p where p.wait = any (array(select u.id from unused u));
    return array(select n.wait from {schema}.nodes n where n.id = any (own_waits.tasks) and n.wait is not null);
end
{body};

-- Counts anew what these waits wait for, and what breaks them: of `looks` a dead predecessor does; of `retried` it can be retried as well, and complete.
-- Those of `again` stay broken if they are. Only advance() calls it.
create function {schema}.count_again(looks uuid[], retried uuid[], again uuid[]) returns table (wait uuid, is_over boolean, is_broken boolean)
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
begin
    return query
        update {schema}.waits w
        set pending = g.pending, broken = case when g.again then w.broken else g.broken end,
            by_dead = case when g.again then w.by_dead else g.by_dead end, is_open = true
        from (
            select p.wait, bool_and(a.again) as again,
                   count(*) filter (where case when o.run then n.ended is null else n.ended is distinct from 1 end)::integer as pending,
                   (array_agg(n.id order by n.ended, p.rank) filter (where not o.run and b.breaks))[1] as broken,
                   bool_or(n.ended = 2) filter (where not o.run and b.breaks) as by_dead
            from (select u.wait, bool_or(u.looks) as looks, bool_and(u.again) as again
                  from (select l.wait, true as looks, false as again from unnest(count_again.looks) as l(wait)
                        union all select l.wait, false, false from unnest(count_again.retried) as l(wait)
                        union all select l.wait, false, true from unnest(count_again.again) as l(wait)) u
                  group by u.wait) a
            join {schema}.waits o on o.id = a.wait
            join {schema}.predecessors p on p.wait = a.wait
            -- One that was not looked at has no node, or one that is not linked: it is pending.
            left join {schema}.nodes n on n.id = p.node
            cross join lateral (select n.ended = 3 or n.ended = 2 and a.looks as breaks) b
            group by p.wait
        ) g
        where w.id = g.wait
        returning w.id, w.pending = 0 and w.broken is null, w.broken is not null;
end
{body};

-- Marks what waits for tasks of these broken waits, directly or not, as broken too. Only advance() calls it.
create function {schema}.break_further(waits uuid[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
begin
    with recursive down as (
        select w.id, w.by_dead from {schema}.waits w where w.id = any (break_further.waits) and w.broken is not null
        union
        select p.wait, d.by_dead
        from down d
        join {schema}.nodes n on n.wait = d.id and n.ended is null
        join {schema}.predecessors p on p.node = n.id
        join {schema}.waits w on w.id = p.wait and not w.run and w.broken is null
    )
    update {schema}.waits w
    set broken = g.broken, by_dead = g.by_dead
    from (
        select p.wait, (array_agg(n.id order by d.by_dead desc, n.id))[1] as broken, bool_or(d.by_dead) as by_dead
        from down d
        join {schema}.nodes n on n.wait = d.id and n.ended is null
        join {schema}.predecessors p on p.node = n.id
        group by p.wait
    ) g
    where w.id = g.wait and not w.run and w.broken is null;
end
{body};

-- Releases the blocked tasks of these waits, and returns the waits of which some are locked by another session. Only advance() calls it.
create function {schema}.release_blocked(waits uuid[]) returns uuid[]
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    at constant timestamptz := clock_timestamp();
    g record;
begin
    with blocked as materialized (
        select n.id, n.wait
        from {schema}.nodes n
        join {schema}.tasks t on t.id = n.id and t.count = 1 and t.state = 2
        where n.wait = any (release_blocked.waits) and n.ended is null
    ), locked as materialized (
        select b.id
        from (select * from blocked order by id) b
        cross join lateral (
            select from {schema}.tasks t where t.id = any (array[b.id]) and t.count = 1 and t.state = 2 for update skip locked) l
    ), released as (
        update {schema}.tasks t
        set state = case when t.run_at > at then 0 else 1 end, run_at = greatest(t.run_at, at), expires_at = {schema}.expiry(t, greatest(t.run_at, at))
        from locked l
        where t.id = any (array[l.id]) and t.count = 1
        returning t.queue, t.state
    ), deltas as (
        insert into {schema}.count_deltas (queue, blocked, ready, scheduled)
        select r.queue, -count(*), count(*) filter (where r.state = 1), count(*) filter (where r.state = 0)
        from released r
        group by r.queue
    ), notified as (
        select count(pg_notify({channel}, q.queue)) as sent
        from (select distinct r.queue from released r) q
        -- A name that is too long for a notification must not hold up the others.
        where octet_length(q.queue) < 4000 and {schema}.has_listener(q.queue)
    )
    select array(select distinct b.wait from blocked b where b.id not in (select l.id from locked l)) as waits, (select s.sent from notified s) as sent into g;
    return g.waits;
end
{body};

-- Acts on the first notes, about `most` of them: counts what waits wait for, releases the tasks of those that are over, and marks those whose tasks
-- have to end. Returns whether to call it again, because it has acted on some and there may be more, and whether tasks have to end. `alone`: acts on
-- the note with this number alone.
--
-- One session at a time acts. Another one returns at once: its note is committed, and the one that acts calls again afterwards. It waits for locks
-- only a moment: what is locked gets its note anew. With the owner's rights; only roles that enqueue or work on tasks may call it.
create function {schema}.advance(most integer, alone bigint default null) returns table (again boolean, has_broken boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan set lock_timeout = '250ms' as {body}
declare
    n record;
    told record;
    -- Predecessors whose rows are locked.
    missed uuid[] := '{}';
    -- Waits to look at, of tasks that have come, and of those that are retried.
    looks uuid[];
    retried uuid[];
    left_notes integer;
    finished uuid[];
    left_releases uuid[];
    broken uuid[];
begin
    if not exists (select from {schema}.end_notes) then
        return query select false, false;
        return;
    end if;
    perform from {schema}.advance_lock for update skip locked;
    if not found then
        return query select false, false;
        return;
    end if;
    with taken as (
        delete from {schema}.end_notes e
        where e.id = any (array(select m.id from {schema}.end_notes m where alone is null or m.id = alone order by m.id limit most))
        returning e.id, e.tasks, e.how
    ), told as (
        -- The latest, but one that has completed stays so.
        select distinct on (u.task) u.task, t.how
        from taken t cross join lateral unnest(t.tasks) as u(task)
        where t.how < 5
        order by u.task, t.how = 1 desc, t.id desc
    )
    select (select count(*) from taken) as count,
           array(select t.task from told t order by t.task) as tasks, array(select t.how from told t order by t.task) as hows,
           array(select distinct u.wait from taken t cross join lateral unnest(t.tasks) as u(wait) where t.how = 5) as looks,
           array(select distinct u.wait from taken t cross join lateral unnest(t.tasks) as u(wait) where t.how = 7) as looks_again,
           array(select distinct u.wait from taken t cross join lateral unnest(t.tasks) as u(wait) where t.how = 6) as releases
    into n;
    if n.count = 0 then
        return query select false, false;
        return;
    end if;

    retried := {schema}.own_waits(array(select g.task from unnest(n.tasks, n.hows) as g(task, how) where g.how = 4));
    looks := n.looks || retried || n.looks_again;
    if cardinality(looks) > 0 then
        -- What the rows say is later than the notes.
        select array_agg(l.task) filter (where l.how is not null) as tasks, array_agg(l.how) filter (where l.how is not null) as hows,
               array_agg(l.task) filter (where l.how is null) as missed
        into told
        from {schema}.link_predecessors(looks) l;
        missed := coalesce(told.missed, '{}');
        select array_agg(u.task) as tasks, array_agg(u.how) as hows into told
        from (
            select g.task, g.how from unnest(told.tasks, told.hows) as g(task, how)
            union all
            select g.task, g.how from unnest(n.tasks, n.hows) as g(task, how) where g.task <> all (coalesce(told.tasks, '{}'))
        ) u;
    else
        select n.tasks as tasks, n.hows as hows into told;
    end if;
    select array_agg(c.wait) filter (where c.is_over), array_agg(c.wait) filter (where c.is_broken) into finished, broken
    from {schema}.count_ends(coalesce(told.tasks, '{}'), coalesce(told.hows, '{}')) c;
    if cardinality(looks) > 0 then
        select finished || array_agg(c.wait) filter (where c.is_over), broken || array_agg(c.wait) filter (where c.is_broken) into finished, broken
        from {schema}.count_again(n.looks, retried, n.looks_again) c;
    end if;
    if broken is not null then
        perform {schema}.break_further(broken);
    end if;
    finished := finished || n.releases;
    if cardinality(finished) > 0 then
        left_releases := {schema}.release_blocked(finished);
    end if;
    -- All tasks of such a wait have ended.
    update {schema}.waits w
    set is_open = false
    where w.id = any (array(select o.wait from {schema}.nodes o where o.id = any (told.tasks) and o.ended is not null and o.wait is not null))
      and w.broken is not null and w.is_open
      and not exists (select from {schema}.nodes m where m.wait = w.id and m.ended is null);

    with notes as (
        insert into {schema}.end_notes (tasks, how)
        select l.waits, l.how
        from (values (array(select distinct p.wait from {schema}.predecessors p where p.node = any (missed) and p.wait = any (looks)), 7::smallint),
                     (left_releases, 6::smallint)) as l(waits, how)
        where cardinality(l.waits) > 0
        returning id
    )
    select count(*) into left_notes from notes;
    return query select alone is null and (n.count > left_notes or (select count(*) from (select from {schema}.end_notes limit left_notes + 1) e) > left_notes),
                        broken is not null;
end
{body};
revoke execute on function {schema}.advance(integer, bigint) from public;

-- Gives each task of this note a note of its own, so that one that cannot be acted on holds up no other. With the owner's rights.
create function {schema}.split_note(note bigint) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
    with taken as (
        delete from {schema}.end_notes e where e.id = split_note.note and cardinality(e.tasks) > 1 returning e.tasks, e.how
    )
    insert into {schema}.end_notes (tasks, how)
    select array[u.task], t.how from taken t cross join lateral unnest(t.tasks) as u(task);
end;
revoke execute on function {schema}.split_note(bigint) from public;

-- Looks at about `most` nodes, and returns how many: deletes what no task can ask for any more, and notes that a task is gone whose row has been
-- removed without a note, as by SQL. A node that stays is looked at again after its age: a minute at least, an hour at most. With the owner's rights; only
-- roles that work on tasks may call it.
create function {schema}.clean_dependencies(most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan set lock_timeout = '250ms' as {body}
declare
    at constant timestamptz := clock_timestamp();
    looked uuid[];
begin
    if not exists (select from {schema}.nodes n where n.look_at <= at) then
        return 0;
    end if;
    perform from {schema}.advance_lock for update skip locked;
    if not found then
        return 0;
    end if;
    looked := array(select n.id from {schema}.nodes n where n.look_at <= at order by n.look_at limit most);
    with over as (
        delete from {schema}.waits w
        where w.id = any (array(select n.wait from {schema}.nodes n where n.id = any (looked) and n.wait is not null))
          -- A dead letter can be retried.
          and not exists (select from {schema}.nodes m where m.wait = w.id and (m.ended is null or m.ended = 2))
        returning w.id
    )
    delete from {schema}.predecessors p where p.wait = any (array(select o.id from over o));
    -- Its real note, if there is one, is older, and counts.
    insert into {schema}.end_notes (tasks, how)
    select array_agg(n.id), 3
    from {schema}.nodes n
    where n.id = any (looked) and n.linked and n.ended is distinct from 1 and n.ended is distinct from 3
      and not exists (select from {schema}.segment_of(n.id))
    having count(*) > 0;
    with over as (
        delete from {schema}.nodes n
        where n.id = any (looked) and n.ended in (1, 3)
          and not exists (select from {schema}.predecessors p where p.node = n.id)
          and not exists (select from {schema}.waits w where w.id = n.wait)
        returning n.id
    )
    update {schema}.nodes n
    set look_at = at + least(greatest(at - n.since, interval '1 minute'), interval '1 hour')
    where n.id = any (looked) and n.id not in (select o.id from over o);
    return cardinality(looked);
end
{body};
revoke execute on function {schema}.clean_dependencies(integer) from public;
