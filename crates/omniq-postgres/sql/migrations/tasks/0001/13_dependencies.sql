-- Dependencies: tasks that run after others. docs/decisions/0055-dependencies.md.

-- What has happened to linked tasks, and is to be acted on. The transaction that ends a task notes it, and changes nothing else here; advance()
-- acts on notes, and deletes them. So no end waits for another one, and none is forgotten or counted twice.
create table {schema}.end_notes (
    id    bigint generated always as identity primary key,
    tasks uuid[] not null,
    -- 1 completed; 2 dead; 3 gone, which is cancelled, expired, discarded or deleted; 4 a dead letter that is retried. Of the others `tasks` are waits:
    -- 5 to look at their predecessors, which break them if they are dead; 6 to release their tasks; 7 to look at those again whose rows were locked.
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
    -- How the node had ended when the wait was added, if it had.
    seen smallint,
    primary key (node, wait)
);
create index predecessors_wait on {schema}.predecessors (wait, rank);

-- Tasks that wait for others, or that others wait for, beyond their end.
create table {schema}.nodes (
    id       uuid primary key,
    wait     uuid,
    -- Whether the row of the task is linked, so that its end will be noted.
    linked   boolean not null,
    -- As in end_notes, 1 to 3; null: it has not ended.
    ended    smallint,
    -- Since when that is so.
    since    timestamptz not null default clock_timestamp(),
    -- When the clean-up looks at it.
    look_at  timestamptz not null default clock_timestamp() + interval '1 minute'
) with (fillfactor = 70);
create index nodes_wait on {schema}.nodes (wait) where wait is not null;
create index nodes_look on {schema}.nodes (look_at);

-- One session at a time acts on notes: that which has locked this row. A row, because any role could take an advisory lock.
create table {schema}.advance_lock (one boolean primary key check (one));
insert into {schema}.advance_lock values (true);

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
    circle bigint;
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

    if exists (
        select from unnest(t.lists) as u(list)
        where u.list is not null and jsonb_typeof((enqueue_linked.options)[u.list]::jsonb->'after'->'tasks') is distinct from 'array') then
        perform {schema}.refuse('OQ002', 'after is refused: its as is the place of a task that names no others itself',
            'Give the place of a task of the call that has tasks.');
    end if;
    -- A circle has a task that does not stand behind one that it runs after. The library has looked for circles.
    if current_setting('omniq.direct', true) is distinct from 'on' then
        with recursive edges as materialized (
            select i.place, o.place as before
            from unnest(ids, t.lists) with ordinality as i(id, list, place)
            join unnest(w.places, w.ids) as l(place, wait) on l.place = i.list
            join unnest(p.nodes, p.waits) as b(node, wait) on b.wait = l.wait
            join unnest(ids) with ordinality as o(id, place) on o.id = b.node
        ), walk as (
            select e.place as start, e.before as place from edges e where e.before >= e.place
            union
            select k.start, e.before from walk k join edges e on e.place = k.place
        )
        select k.start into circle from walk k where k.start = k.place limit 1;
        if found then
            perform {schema}.refuse('OQ002', format('task %s is to run after itself, or after one that runs after it', ids[circle]),
                'Leave out what closes the circle.');
        end if;
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
    insert into {schema}.nodes (id, wait, linked)
    select u.id, l.id, true
    from unnest(ids, links, t.lists) as u(id, link, list)
    left join unnest(w.places, w.ids) as l(place, id) on l.place = u.list
    where u.link is not null;
    insert into {schema}.waits (id, run, pending)
    select l.id, l.run, b.count
    from unnest(w.ids, w.runs) as l(id, run)
    join (select u.wait, count(*)::integer as count from unnest(p.waits) as u(wait) group by u.wait) b on b.wait = l.id;
    insert into {schema}.predecessors (node, wait, rank, seen)
    select b.node, b.wait, b.rank, n.ended
    from unnest(p.nodes, p.waits, p.ranks) as b(node, wait, rank)
    left join {schema}.nodes n on n.id = b.node;
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
