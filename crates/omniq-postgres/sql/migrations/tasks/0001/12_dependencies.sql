-- Dependencies: tasks that run after others. docs/decisions/0055-dependencies.md.

-- What has happened to linked tasks, and is to be acted on. The transaction that ends a task notes it, and changes nothing else here; advance()
-- acts on notes, and deletes them. So no end waits for another one, and none is forgotten or counted twice.
create table {schema}.end_notes (
    id    bigint generated always as identity primary key,
    tasks uuid[] not null,
    -- 1 completed; 2 dead; 3 gone, which is cancelled, expired, discarded or deleted; 4 a dead letter that is retried. Of 5 and 6 `tasks` are waits:
    -- 5 to look at their predecessors, 6 to release their tasks.
    how   smallint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- What tasks wait for: those of one call with the same predecessors share a row. Only advance() and the clean-up change it.
create table {schema}.waits (
    id      uuid primary key,
    -- Whether they run after any end of their predecessors.
    run     boolean not null,
    -- How many of the predecessors have not ended as they ask.
    pending integer not null,
    -- The predecessor because of which they have to end, and whether it is dead.
    broken  uuid,
    by_dead boolean,
    -- Whether some of them have still to end because of it.
    is_open boolean not null default true,
    constraint broken_by check ((broken is null) = (by_dead is null))
) with (fillfactor = 70);
create index waits_broken on {schema}.waits (id) where broken is not null and is_open;

create table {schema}.predecessors (
    node uuid not null,
    wait uuid not null,
    rank integer not null,
    primary key (node, wait)
);
create index predecessors_wait on {schema}.predecessors (wait, rank);

-- Tasks that wait for others, or that others wait for, beyond their end.
create table {schema}.nodes (
    id      uuid primary key,
    wait    uuid,
    -- As in end_notes, 1 to 3; null: it has not ended. One that has completed stays so, whatever becomes of its row.
    ended   smallint,
    -- When the clean-up looks at it.
    look_at timestamptz
) with (fillfactor = 70);
create index nodes_wait on {schema}.nodes (wait) where wait is not null;
create index nodes_look on {schema}.nodes (look_at) where look_at is not null;

create function {schema}.dependencies_key() returns bigint
language sql immutable
begin atomic
    select hashtextextended({schema_name} || ' dependencies', 0);
end;

-- How these tasks have ended, by their results; nothing of those without one, and where this schema has none.
create function {schema}.ends_by_result(ids uuid[]) returns table (id uuid, how smallint)
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
begin
    if to_regclass(format('%I.result_segments', {schema_name})) is null then
        return;
    end if;
    return query
        select i.id, (case r.status when 'completed' then 1 when 'failed' then 2 else 3 end)::smallint
        from unnest(ids) as i(id)
        cross join lateral (
            select a.task_id, a.removed, a.expires_at, a.status from {schema}.result_segments a
            where a.count > 1 and a.task_id <= i.id and a.task_id >= {schema}.id_after(i.id, -{schema}.offset_of(i.id))
              and {schema}.offset_of(i.id) - {schema}.offset_of(a.task_id) < a.count
            union all
            select a.task_id, a.removed, a.expires_at, a.status from {schema}.result_segments a where a.count = 1 and a.task_id = i.id) r
        where r.expires_at > now()
          and case when r.removed is null then true
                   when {schema}.offset_of(i.id) - {schema}.offset_of(r.task_id) between 0 and length(r.removed) - 1
                   then get_bit(r.removed, {schema}.offset_of(i.id) - {schema}.offset_of(r.task_id)) = 0 end;
end
{body};

-- Adds tasks of which some run after others, all or none; parameters as for add_tasks(), with all ids. Those have options->'after', as
-- check_options() knows it. It locks nothing that others write. With the owner's rights, because a role that may enqueue need not be able to read;
-- only such roles may call it.
create function {schema}.enqueue_linked(
    ids uuid[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[],
    max_retries integer[], run_ats timestamptz[], delays double precision[], ttls double precision[],
    options text[], metadata text[], chosen boolean[], logged boolean
) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    -- Of each task: what it waits for, as the place of the task that has the list; and the options without that.
    t record;
    -- Of each list.
    w record;
    -- Of each pair of a wait and a predecessor.
    p record;
    links smallint[];
    odd uuid;
begin
    perform {schema}.refuse('OQ002', 'a task is unique, in a call with tasks that run after others', 'Enqueue it by a call of its own, without after.')
    where {schema}.are_unique(options);
    select array_agg(g.list order by g.place) as lists, array_agg(nullif(g.given - 'after', '{}')::text order by g.place) as options
    into t
    from (
        select o.place, o.given,
               case when o.after->'as' <> 'null' then (o.after->>'as')::integer when o.after <> 'null' then o.place::integer end as list
        from (select i.place, i.given::jsonb as given, i.given::jsonb->'after' as after
              from unnest(enqueue_linked.options) with ordinality as i(given, place)) o
    ) g;
    select array_agg(g.place) as places, array_agg({schema}.new_id()) as ids, array_agg(g.run) as runs into w
    from (
        select l.place, coalesce((enqueue_linked.options)[l.place]::jsonb->'after'->>'if_failed' = 'run', false) as run
        from (select distinct u.list as place from unnest(t.lists) as u(list) where u.list is not null) l
        order by l.place
    ) g;
    select array_agg(b.node order by b.wait, b.rank) as nodes, array_agg(b.wait order by b.wait, b.rank) as waits,
           array_agg(b.rank order by b.wait, b.rank) as ranks
    into p
    from (
        select l.id as wait, e.task::uuid as node, min(e.rank)::integer as rank
        from unnest(w.places, w.ids) as l(place, id)
        cross join lateral jsonb_array_elements_text((enqueue_linked.options)[l.place]::jsonb->'after'->'tasks') with ordinality as e(task, rank)
        group by l.id, e.task::uuid
    ) b;

    if exists (select u.id from unnest(w.ids) as u(id) except select v.wait from unnest(p.waits) as v(wait)) then
        perform {schema}.refuse('OQ002', 'after is refused: its as is the place of a task that names no others itself',
            'Give the place of a task of the call that has tasks.');
    end if;

    select b.node into odd
    from (select distinct u.node from unnest(p.nodes) as u(node) where u.node not in (select i.id from unnest(ids) as i(id))) b
    where not exists (select from {schema}.segment_of(b.node)) and not exists (select from {schema}.nodes n where n.id = b.node)
      and not exists (select from {schema}.ends_by_result(array[b.node]))
    limit 1;
    if found then
        perform {schema}.refuse('OQ003', format('there is no task %s to run after: it is not in the queue, and no result of it is kept', odd),
            'Enqueue it before, or in the same call.');
    end if;
    select n.id into odd from {schema}.nodes n where n.id = any (ids) limit 1;
    if found then
        raise exception using errcode = 'unique_violation', constraint = 'tasks_id',
            message = format('task %s is known as one that others have waited for, or that has waited', odd),
            detail = format('the id %s is that of a task that others have waited for, or that has waited: give another, or none', odd);
    end if;

    links := array(
        select case when u.list is not null then 2 when u.id in (select b.node from unnest(p.nodes) as b(node)) then 1 end
        from unnest(t.lists, ids) with ordinality as u(list, id, place)
        order by u.place);
    perform {schema}.add_tasks(
        ids, queues, funcs, codecs, payloads, priorities, enqueue_linked.max_retries, run_ats, delays, ttls, t.options, metadata, chosen, logged, links);
    insert into {schema}.nodes (id, wait)
    select u.id, l.id
    from unnest(ids, links, t.lists) as u(id, link, list)
    left join unnest(w.places, w.ids) as l(place, id) on l.place = u.list
    where u.link is not null;
    insert into {schema}.waits (id, run, pending)
    select l.id, l.run, b.count
    from unnest(w.ids, w.runs) as l(id, run)
    join (select u.wait, count(*)::integer as count from unnest(p.waits) as u(wait) group by u.wait) b on b.wait = l.id;
    insert into {schema}.predecessors (node, wait, rank)
    select b.node, b.wait, b.rank from unnest(p.nodes, p.waits, p.ranks) as b(node, wait, rank);
    -- What was there before may have ended, or may not be linked.
    insert into {schema}.end_notes (tasks, how)
    select array_agg(distinct b.wait), 5
    from unnest(p.nodes, p.waits) as b(node, wait)
    where b.node not in (select i.id from unnest(ids) as i(id))
    having count(*) > 0;
end
{body};
revoke execute on function {schema}.enqueue_linked(
    uuid[], text[], text[], text[], bytea[], smallint[], integer[], timestamptz[], double precision[], double precision[], text[], text[],
    boolean[], boolean) from public;

-- Links the predecessors of these waits, so that their ends are noted from now on, and tells how each has ended as far as is known: as in end_notes, 4
-- for one that has not; null if its row is locked, or has moved. `is_new`: it had no node. Only advance() calls it.
create function {schema}.link_predecessors(looks uuid[]) returns table (task uuid, how smallint, is_new boolean)
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    fresh uuid[];
begin
    with added as (
        insert into {schema}.nodes (id)
        select distinct p.node from {schema}.predecessors p where p.wait = any (looks)
        on conflict do nothing
        returning id
    )
    select array_agg(a.id) into fresh from added a;
    return query
        with wanted as materialized (
            select distinct p.node from {schema}.predecessors p where p.wait = any (looks)
        ), there as materialized (
            select w.node, r.id, r.count from wanted w cross join lateral {schema}.segment_of(w.node) r
        ), locked as materialized (
            select s.id, s.count, l.state, l.linked
            from (select distinct t.id, t.count from there t order by t.id, t.count) s
            cross join lateral (
                select t.state, t.linked from {schema}.tasks t
                where t.id = any (array[s.id]) and t.count = s.count
                for update skip locked) l
        ), linked as (
            update {schema}.tasks t set linked = true from locked l
            where t.id = any (array[l.id]) and t.count = l.count and not l.linked and l.state <> 4
        )
        select t.node, (case l.state when 3 then 2 when 4 then 1 else case when l.id is not null then 4 end end)::smallint,
               t.node = any (coalesce(fresh, '{}'))
        from there t
        left join locked l on l.id = t.id and l.count = t.count
        union all
        -- Of others that were not known here their results tell. One without a result counts as completed.
        select g.id, coalesce(e.how, 1)::smallint, true
        from unnest(fresh) as g(id)
        left join {schema}.ends_by_result(fresh) e on e.id = g.id
        where g.id not in (select t.node from there t);
end
{body};

-- Counts ends, and returns the waits that they concern. Only advance() calls it.
create function {schema}.count_ends(tasks uuid[], hows smallint[]) returns table (wait uuid, is_over boolean, is_broken boolean)
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
begin
    return query
        with steps as materialized (
            select n.id, n.ended as before, s.now
            from (select g.task, case when g.how <> 4 then g.how end as now from unnest(count_ends.tasks, hows) as g(task, how)) s
            join {schema}.nodes n on n.id = s.task
            where n.ended is distinct from s.now and n.ended is distinct from 1
        ), ended as (
            update {schema}.nodes n
            -- A dead letter can be retried, and is not cleaned up.
            set ended = s.now, look_at = case when s.now in (1, 3) then clock_timestamp() + interval '1 minute' end
            from steps s
            where n.id = s.id
        )
        update {schema}.waits w
        set pending = w.pending - g.done, broken = coalesce(w.broken, g.broken), by_dead = coalesce(w.by_dead, g.by_dead)
        from (
            select p.wait,
                   sum(case when o.run then (s.now is not null)::integer - (s.before is not null)::integer
                            else (s.now is not distinct from 1)::integer end)::integer as done,
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

-- Counts anew what these waits wait for. A dead predecessor breaks one of `looks`; of the others it can be retried, and complete. Only advance() calls it.
create function {schema}.count_again(looks uuid[], others uuid[]) returns table (wait uuid, is_over boolean, is_broken boolean)
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
begin
    return query
        update {schema}.waits w
        set pending = g.pending, broken = g.broken, by_dead = g.by_dead, is_open = true
        from (
            select p.wait,
                   count(*) filter (where case when o.run then n.ended is null else n.ended is distinct from 1 end)::integer as pending,
                   (array_agg(n.id order by n.ended, p.rank) filter (where not o.run and b.breaks))[1] as broken,
                   bool_or(n.ended = 2) filter (where not o.run and b.breaks) as by_dead
            from (select u.wait, bool_or(u.looks) as looks
                  from (select l.wait, true as looks from unnest(count_again.looks) as l(wait)
                        union all select l.wait, false from unnest(others) as l(wait)) u
                  group by u.wait) a
            join {schema}.waits o on o.id = a.wait
            join {schema}.predecessors p on p.wait = a.wait
            -- One that could not be linked has no node, and has not ended as far as is known.
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
        where {schema}.has_listener(q.queue)
    )
    select array(select distinct b.wait from blocked b where b.id not in (select l.id from locked l)) as waits, (select s.sent from notified s) as sent into g;
    return g.waits;
end
{body};

-- Acts on notes after `since`, about `most` of them: counts what waits wait for, releases the tasks of those that are over, and marks those whose tasks
-- have to end. Returns the last note, whether to call it again, because it has acted on some and there may be more, and whether tasks have to end.
--
-- One session at a time acts. Another one returns at once: its note is committed, and the one that acts calls again afterwards. It waits for no
-- lock: what is locked gets its note anew. With the owner's rights; only roles that work on tasks may call it.
create function {schema}.advance(since bigint, most integer) returns table (last bigint, again boolean, has_broken boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    n record;
    told record;
    -- Predecessors whose rows are locked, and those of them that are not linked yet.
    missed uuid[] := '{}';
    unlinked uuid[] := '{}';
    left_looks uuid[];
    left_releases uuid[];
    finished uuid[];
    broken uuid[];
    retried uuid[];
begin
    if not exists (select from {schema}.end_notes e where e.id > since) or not pg_try_advisory_xact_lock({schema}.dependencies_key()) then
        return query select since, false, false;
        return;
    end if;
    with taken as (
        delete from {schema}.end_notes e
        where e.id = any (array(select m.id from {schema}.end_notes m where m.id > since order by m.id limit most))
        returning e.id, e.tasks, e.how
    ), told as (
        -- The latest, but one that has completed stays so.
        select distinct on (u.task) u.task, t.how
        from taken t cross join lateral unnest(t.tasks) as u(task)
        where t.how < 5
        order by u.task, t.how = 1 desc, t.id desc
    )
    select (select count(*) from taken) as count, (select max(t.id) from taken t) as last,
           array(select t.task from told t order by t.task) as tasks, array(select t.how from told t order by t.task) as hows,
           array(select distinct u.wait from taken t cross join lateral unnest(t.tasks) as u(wait) where t.how = 5) as looks,
           array(select distinct u.wait from taken t cross join lateral unnest(t.tasks) as u(wait) where t.how = 6) as releases
    into n;
    if n.count = 0 then
        return query select since, false, false;
        return;
    end if;

    if cardinality(n.looks) > 0 then
        -- What the rows say is later than the notes.
        select array_agg(l.task) filter (where l.how is not null) as tasks, array_agg(l.how) filter (where l.how is not null) as hows,
               array_agg(l.task) filter (where l.how is null) as missed,
               array_agg(l.task) filter (where l.how is null and l.is_new) as unlinked
        into told
        from {schema}.link_predecessors(n.looks) l;
        missed := coalesce(told.missed, '{}');
        unlinked := coalesce(told.unlinked, '{}');
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
    retried := array(select o.wait from {schema}.nodes o where o.id = any (array(
        select g.task from unnest(n.tasks, n.hows) as g(task, how) where g.how = 4)) and o.wait is not null);
    if cardinality(n.looks) + cardinality(retried) > 0 then
        select finished || array_agg(c.wait) filter (where c.is_over), broken || array_agg(c.wait) filter (where c.is_broken) into finished, broken
        from {schema}.count_again(n.looks, retried) c;
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

    -- Its end is not noted, so its node must not say that it is: the next look finds it as a new one, also if it has gone by then.
    delete from {schema}.nodes o where o.id = any (unlinked);
    left_looks := array(select distinct p.wait from {schema}.predecessors p where p.node = any (missed) and p.wait = any (n.looks));
    insert into {schema}.end_notes (tasks, how)
    select l.waits, l.how
    from (values (left_looks, 5::smallint), (left_releases, 6::smallint)) as l(waits, how)
    where cardinality(l.waits) > 0;
    return query select n.last, cardinality(n.tasks) > 0 or cardinality(left_looks) < cardinality(n.looks) or cardinality(finished) > 0 and cardinality(left_releases) = 0,
                        broken is not null;
end
{body};
revoke execute on function {schema}.advance(bigint, integer) from public;

-- Deletes what no task can ask for any more, about `most` nodes, and returns how many it has looked at. What it leaves is looked at again after twice
-- its age: an hour at most. With the owner's rights; only roles that work on tasks may call it.
create function {schema}.clean_dependencies(most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    at constant timestamptz := clock_timestamp();
    looked uuid[];
begin
    if not exists (select from {schema}.nodes n where n.look_at <= at) or not pg_try_advisory_xact_lock({schema}.dependencies_key()) then
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
    with over as (
        delete from {schema}.nodes n
        where n.id = any (looked)
          and not exists (select from {schema}.predecessors p where p.node = n.id)
          and not exists (select from {schema}.waits w where w.id = n.wait)
        returning n.id
    )
    update {schema}.nodes n
    set look_at = at + least(greatest(at - n.look_at, interval '1 minute') * 2, interval '1 hour')
    where n.id = any (looked) and n.id not in (select o.id from over o);
    return cardinality(looked);
end
{body};
revoke execute on function {schema}.clean_dependencies(integer) from public;
