-- adds: the tables and functions of schedules
--
-- Schedules: tasks that are enqueued at set times. Programs compute those times; the functions here carry them out, if the schedule is still
-- as the program has read it.

create table {schema}.schedules (
    name       text primary key,
    -- The application in whose code it stands; null: it was saved at run time.
    app        text,
    -- Grows with each change of the definition.
    version    integer not null default 1,
    created_at timestamptz not null,
    -- From where intervals count.
    anchor     timestamptz not null,
    -- The next tick; null: none comes any more. A paused schedule keeps it.
    next_at    timestamptz,
    last_at    timestamptz,
    last_task  uuid,
    runs       bigint not null default 0,
    paused_at  timestamptz,
    -- Timing, rules and task, as the library writes them.
    definition jsonb not null,
    -- The arguments of its tasks.
    payload    bytea not null,
    -- Programs compare these times with those that they have read, and have none beyond.
    constraint finite_times check (
        created_at between '0001-01-01 00:00+00' and '9999-12-30 00:00+00' and anchor between '0001-01-01 00:00+00' and '9999-12-30 00:00+00'
        and next_at between '0001-01-01 00:00+00' and '9999-12-30 00:00+00' and last_at between '0001-01-01 00:00+00' and '9999-12-30 00:00+00'
        and paused_at between '0001-01-01 00:00+00' and '9999-12-30 00:00+00')
);
create index schedules_due on {schema}.schedules (next_at, name) where paused_at is null and next_at is not null;
create index schedules_app on {schema}.schedules (app) where app is not null;

-- The last hundred ticks of each schedule, and up to nine before. The key keeps a tick among them from being carried out twice, also if next_at is
-- set back by hand.
create table {schema}.schedule_ticks (
    schedule text not null references {schema}.schedules (name) on delete cascade,
    at       timestamptz not null,
    manual   boolean not null default false,
    -- Null: it was skipped.
    task_id  uuid,
    -- Why it was skipped: missed, overlap, or unique.
    skipped  text,
    primary key (schedule, at, manual)
);

-- The schedules in the code of each worker that has some, or may have had some.
create table {schema}.schedule_declarations (
    worker bigint primary key,
    app    text not null,
    names  text[] not null
);

-- The declarations of workers that may be alive: those whose lease is over can still extend it, until they are declared lost.
create view {schema}.open_declarations as
select d.worker, d.app, d.names, {schema}.lease_end(d.worker) > clock_timestamp() as is_alive
from {schema}.schedule_declarations d
join {schema}.workers w on w.id = d.worker
where w.ended_at is null;

-- Schedules with their timing.
create view {schema}.schedule_list as
select s.name, s.app, s.definition->'task'->>'func' as func, s.definition->'task'->>'queue' as queue,
       s.definition->>'cron' as cron, s.definition->>'time_zone' as time_zone, case when jsonb_typeof(s.definition->'every') = 'number' then (s.definition->>'every')::double precision end as every_seconds,
       s.definition->>'at' as at, s.next_at, s.last_at, s.last_task, s.runs, s.paused_at, s.created_at, s.version
from {schema}.schedules s;

-- Saves schedules, all or none. `batch` is an array of {name, app, version, definition, times, created_at, anchor, next_at}: `version` is the
-- one that was read, null: there was none; `times`: whether anchor and next_at are new. Fails (OQ007) if one is not as it was read.
create function {schema}.save_schedules(batch jsonb, payloads bytea[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    given record;
begin
    -- In the order of names, so that two that save the same ones do not wait for each other.
    for given in
        select e.schedule->>'name' as name, e.schedule->>'app' as app, (e.schedule->>'version')::integer as version,
               e.schedule->'definition' as definition, (e.schedule->>'times')::boolean as times,
               (e.schedule->>'created_at')::timestamptz as created_at, (e.schedule->>'anchor')::timestamptz as anchor,
               (e.schedule->>'next_at')::timestamptz as next_at, payloads[e.place] as payload
        from jsonb_array_elements(batch) with ordinality as e(schedule, place)
        order by e.schedule->>'name'
    loop
        if given.version is null then
            insert into {schema}.schedules (name, app, created_at, anchor, next_at, definition, payload)
            values (given.name, given.app, given.created_at, given.anchor, given.next_at, given.definition, given.payload)
            on conflict do nothing;
        else
            update {schema}.schedules s
            set version = s.version + 1, definition = given.definition, payload = given.payload,
                anchor = case when given.times then given.anchor else s.anchor end,
                next_at = case when not given.times then s.next_at
                               when s.runs >= (given.definition->>'max_runs')::bigint then null
                               else given.next_at end
            where s.name = given.name and s.version = given.version and s.created_at = given.created_at
              and s.app is not distinct from given.app;
        end if;
        if not found then
            perform {schema}.refuse('OQ007', format('the schedule %s has been changed meanwhile', given.name));
        end if;
    end loop;
end
{body};

-- Removes what no live worker of these applications declares any more, if they have live workers. Returns how many.
create function {schema}.remove_undeclared(apps text[]) returns bigint
language sql volatile
begin atomic
    with removed as (
        delete from {schema}.schedules s
        where s.name in (
            select o.name
            from {schema}.schedules o
            where o.app = any (remove_undeclared.apps)
              and exists (select from {schema}.open_declarations d where d.app = o.app and d.is_alive)
              and not exists (select from {schema}.open_declarations d where d.app = o.app and o.name = any (d.names))
            -- One that is locked stays for the next time.
            for update of o skip locked)
        returning s.name
    )
    select count(*) from removed;
end;

-- Declarations of one application are made one after the other, and so are removals: what a worker is about to declare must not be removed.
create function {schema}.declarations_key(app text) returns bigint
language sql immutable
begin atomic
    select hashtextextended({schema_name} || ' schedules ' || declarations_key.app, 0);
end;

-- Declares the schedules in the code of a worker: saves those of the batch, which are new or have changed, and removes those that are in the
-- code of no live worker of the application. Returns how many it has removed.
create function {schema}.declare_schedules(worker bigint, app text, names text[], batch jsonb, payloads bytea[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as {body}
begin
    perform pg_advisory_xact_lock({schema}.declarations_key(app));
    perform {schema}.refuse('OQ001', format('worker %s is not registered any more', declare_schedules.worker))
    where not exists (select from {schema}.workers w where w.id = declare_schedules.worker and w.ended_at is null);
    insert into {schema}.schedule_declarations (worker, app, names)
    values (declare_schedules.worker, declare_schedules.app, declare_schedules.names)
    on conflict on constraint schedule_declarations_pkey do update set app = excluded.app, names = excluded.names;
    perform {schema}.save_schedules(batch, payloads);
    -- One that was as it is declared, and so is not in the batch, may have been removed before the lock was free.
    perform {schema}.refuse('OQ007', format('the schedule %s has been removed meanwhile', n.name))
    from unnest(names) as n(name)
    where not exists (select from {schema}.schedules s where s.name = n.name and s.app = declare_schedules.app)
    limit 1;
    return {schema}.remove_undeclared(array[app]);
end
{body};

-- The same clean-up for all applications, and of the declarations of workers that have gone.
create function {schema}.remove_undeclared() returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    removed bigint := 0;
    one text;
begin
    delete from {schema}.schedule_declarations d
    where not exists (select from {schema}.workers w where w.id = d.worker and w.ended_at is null);
    for one in
        select distinct s.app
        from {schema}.schedules s
        where s.app is not null
          and exists (select from {schema}.open_declarations d where d.app = s.app and d.is_alive)
          and not exists (select from {schema}.open_declarations d where d.app = s.app and s.name = any (d.names))
        order by s.app
    loop
        continue when not pg_try_advisory_xact_lock({schema}.declarations_key(one));
        -- A statement of its own, which sees what was declared before the lock was free.
        removed := removed + {schema}.remove_undeclared(array[one]);
    end loop;
    return removed;
end
{body};

-- Keeps the last hundred ticks of each of these schedules, and the last 20 that have a task, whatever was skipped since.
create function {schema}.trim_ticks(names text[]) returns void
language sql volatile
begin atomic
    delete from {schema}.schedule_ticks k
    using unnest(trim_ticks.names) as n(name)
    cross join lateral (
        select l.at from {schema}.schedule_ticks l where l.schedule = n.name order by l.at desc offset 99 limit 1) as hundredth
    where k.schedule = n.name and k.at < hundredth.at
      and (k.task_id is null
           or k.at < (select l.at from {schema}.schedule_ticks l
                      where l.schedule = n.name and l.task_id is not null
                      order by l.at desc offset 19 limit 1));
end;

-- Whether one of the last 20 tasks of a schedule has not ended.
create function {schema}.schedule_is_busy(name text) returns boolean
language sql volatile
begin atomic
    select exists (
        select
        from (select k.task_id from {schema}.schedule_ticks k
              where k.schedule = schedule_is_busy.name and k.task_id is not null
              order by k.at desc limit 20) as l
        cross join lateral {schema}.segment_of(l.task_id) r
        join {schema}.tasks t on t.id = r.id and t.count = r.count
        where t.state in ({scheduled}, {ready}));
end;

-- Carries out the ticks of one schedule, and returns them, each with the task that the caller has to enqueue for it. Of a task that is unique, it
-- is enqueued here, because another one may have its key.
create function {schema}.tick_schedule(planned jsonb)
returns table (schedule text, tick timestamptz, task_id uuid, skipped text, task jsonb, payload bytea)
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    its_name constant text := planned->>'name';
    known record;
    given record;
    ran boolean := false;
    answer text[];
begin
    select s.runs, s.payload, coalesce((s.definition->>'overlap')::boolean, true) as overlap, (s.definition->>'max_runs')::bigint as most
    into known
    from {schema}.schedules s
    where s.name = tick_schedule.planned->>'name' and s.next_at = (planned->>'due')::timestamptz and s.version = (planned->>'version')::integer
      and s.created_at = (planned->>'created_at')::timestamptz and s.paused_at is null
    for update skip locked;
    if not found then
        return;
    end if;
    for given in
        select (e.tick->>'at')::timestamptz as at, nullif(e.tick->'task', 'null') as task
        from jsonb_array_elements(planned->'ticks') with ordinality as e(tick, place)
        order by e.place
    loop
        exit when known.runs >= known.most;
        continue when exists (
            select from {schema}.schedule_ticks k where k.schedule = its_name and k.at = given.at and not k.manual);
        schedule := its_name;
        tick := given.at;
        task := given.task;
        payload := known.payload;
        -- The task of an earlier tick of this batch is not enqueued yet.
        skipped := case when given.task is null then 'missed'
                        when not known.overlap and (ran or {schema}.schedule_is_busy(its_name)) then 'overlap' end;
        if skipped is null and {schema}.are_unique(array[given.task->>'options']) then
            answer := {schema}.enqueue_in_transaction(jsonb_build_array(given.task), array[known.payload]);
            task := null;
            skipped := case when answer[1] like 'skipped %' then 'unique' end;
            task_id := coalesce(nullif(split_part(answer[1], ' ', 2), ''), given.task->>'id')::uuid;
        else
            task_id := (given.task->>'id')::uuid;
        end if;
        if skipped is not null then
            task_id := null;
            task := null;
        end if;
        insert into {schema}.schedule_ticks (schedule, at, task_id, skipped)
        values (tick_schedule.schedule, tick_schedule.tick, tick_schedule.task_id, tick_schedule.skipped);
        if task_id is not null then
            known.runs := known.runs + 1;
            ran := true;
        end if;
        update {schema}.schedules s
        set last_at = given.at, last_task = coalesce(tick_schedule.task_id, s.last_task)
        where s.name = its_name;
        return next;
    end loop;
    update {schema}.schedules s
    set runs = known.runs, next_at = case when known.runs >= known.most then null else (planned->>'next_at')::timestamptz end
    where s.name = its_name;
    perform {schema}.trim_ticks(array[its_name]);
end
{body};

-- Whether one tick of a schedule is planned, and its task is not unique.
create function {schema}.is_plain(planned jsonb) returns boolean
language sql immutable
begin atomic
    select jsonb_array_length(is_plain.planned->'ticks') = 1
       and coalesce((is_plain.planned->'ticks'->0->'task'->>'options')::jsonb->'unique', 'null') = 'null';
end;

-- Carries out ticks, all or none, and returns those that were carried out. `batch` is an array of {name, due, version, created_at, next_at, ticks};
-- `ticks` is an array of {at, task}, where `task` is one of enqueue_in_transaction(), and null for a tick that was missed. A schedule that is not as
-- it was read is left out, and so is one that another session has locked, or whose key one has.
create function {schema}.tick_schedules(batch jsonb) returns table (schedule text, tick timestamptz, task_id uuid, skipped text)
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    -- Of the plain ones: what was read, and what was carried out.
    locked record;
    ticked record;
    planned jsonb;
    done record;
    tasks jsonb[];
    payloads bytea[];
    waits constant text := current_setting('lock_timeout');
    patience text := '100ms';
begin
    -- The plain ones all at once. They are locked by a statement of their own: the next one sees what was committed before.
    select array_agg(l.name order by l.place) as names, array_agg(l.planned order by l.place) as planned, array_agg(l.runs order by l.place) as runs,
           array_agg(l.definition order by l.place) as definitions, array_agg(l.payload order by l.place) as payloads
    into locked
    from (
        select p.place, p.planned, s.name, s.runs, s.definition, s.payload
        from (
            select distinct on (e.planned->>'name') e.place, e.planned
            from jsonb_array_elements(batch) with ordinality as e(planned, place)
            where {schema}.is_plain(e.planned)
            order by e.planned->>'name', e.place
        ) p
        cross join lateral (
            select s.name, s.runs, s.definition, s.payload
            from {schema}.schedules s
            where s.name = p.planned->>'name' and s.next_at = (p.planned->>'due')::timestamptz and s.version = (p.planned->>'version')::integer
              and s.created_at = (p.planned->>'created_at')::timestamptz and s.paused_at is null
            for update skip locked) s
    ) l;
    if locked.names is not null then
        with known as materialized (
            select k.place, k.name, k.runs, k.payload, (k.definition->>'max_runs')::bigint as most,
                   coalesce((k.definition->>'overlap')::boolean, true) as overlap, (k.planned->>'next_at')::timestamptz as next_at,
                   (k.planned->'ticks'->0->>'at')::timestamptz as at, nullif(k.planned->'ticks'->0->'task', 'null') as task
            from unnest(locked.names, locked.planned, locked.runs, locked.definitions, locked.payloads)
                 with ordinality as k(name, planned, runs, definition, payload, place)
        ), wanted as materialized (
            select k.*, coalesce(k.runs < k.most, true) and not exists (
                select from {schema}.schedule_ticks t where t.schedule = any (array[k.name]) and t.at = k.at and not t.manual) as ticks
            from known k
        ), decided as materialized (
            select w.*, d.skipped, case when w.ticks and d.skipped is null then (w.task->>'id')::uuid end as task_id
            from wanted w
            cross join lateral (
                select case when w.task is null then 'missed'
                            when w.ticks and not w.overlap and {schema}.schedule_is_busy(w.name) then 'overlap' end as skipped) d
        ), noted as (
            insert into {schema}.schedule_ticks (schedule, at, task_id, skipped)
            select d.name, d.at, d.task_id, d.skipped from decided d where d.ticks
        ), moved as (
            update {schema}.schedules s
            set runs = m.runs, next_at = case when m.runs >= m.most then null else m.next_at end,
                last_at = case when m.ticks then m.at else s.last_at end, last_task = coalesce(m.task_id, s.last_task)
            from (
                select d.name, d.most, d.next_at, d.at, d.ticks, d.task_id, d.runs + case when d.task_id is null then 0 else 1 end as runs
                from decided d
            ) m
            where s.name = any (array[m.name])
        )
        select array_agg(d.name order by d.place) as names, array_agg(d.at order by d.place) as ats, array_agg(d.task_id order by d.place) as task_ids,
               array_agg(d.skipped order by d.place) as skips, array_agg(d.task order by d.place) filter (where d.skipped is null) as tasks,
               array_agg(d.payload order by d.place) filter (where d.skipped is null) as payloads,
               -- Not at each tick, because a trim reads a hundred of them.
               array_agg(d.name) filter (where d.task_id is null or d.runs % 10 = 0) as trimmed
        into ticked
        from decided d
        where d.ticks;
        tasks := ticked.tasks;
        payloads := ticked.payloads;
        if ticked.trimmed is not null then
            perform {schema}.trim_ticks(ticked.trimmed);
        end if;
        return query select * from unnest(ticked.names, ticked.ats, ticked.task_ids, ticked.skips);
    end if;

    for planned in
        select e.planned from jsonb_array_elements(batch) as e(planned) where not {schema}.is_plain(e.planned)
    loop
        if {schema}.are_unique(array(select e.tick->'task'->>'options' from jsonb_array_elements(planned->'ticks') as e(tick))) then
            begin
                -- One wait for all, because the others of the batch wait with it.
                perform set_config('lock_timeout', patience, true);
                return query
                    select d.schedule, d.tick, d.task_id, d.skipped from {schema}.tick_schedule(planned) d;
                perform set_config('lock_timeout', waits, true);
            exception when lock_not_available then
                -- It is left for the next time.
                patience := '1ms';
            end;
        else
            for done in
                select * from {schema}.tick_schedule(planned)
            loop
                if done.task is not null then
                    tasks := array_append(tasks, done.task);
                    payloads := array_append(payloads, done.payload);
                end if;
                schedule := done.schedule;
                tick := done.tick;
                task_id := done.task_id;
                skipped := done.skipped;
                return next;
            end loop;
        end if;
    end loop;
    if tasks is not null then
        perform {schema}.enqueue_in_transaction(to_jsonb(tasks), payloads);
    end if;
end
{body};

-- Enqueues the task of a schedule by hand, and notes the tick. Returns its id, or that of the task that holds its key. Null, and nothing is done,
-- if the schedule is not as it was read, or has a tick by hand at that time.
create function {schema}.trigger_schedule(name text, version integer, created_at timestamptz, at timestamptz, task jsonb) returns uuid
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    payload bytea;
    answer text[];
    id uuid;
begin
    select s.payload into payload
    from {schema}.schedules s
    where s.name = trigger_schedule.name and s.version = trigger_schedule.version and s.created_at = trigger_schedule.created_at
    for update;
    if not found or exists (
        select from {schema}.schedule_ticks k where k.schedule = trigger_schedule.name and k.at = trigger_schedule.at and k.manual) then
        return null;
    end if;
    answer := {schema}.enqueue_in_transaction(jsonb_build_array(task), array[payload]);
    id := coalesce(nullif(split_part(answer[1], ' ', 2), ''), task->>'id')::uuid;
    insert into {schema}.schedule_ticks (schedule, at, manual, task_id)
    values (trigger_schedule.name, trigger_schedule.at, true, id);
    update {schema}.schedules s set last_task = id where s.name = trigger_schedule.name;
    perform {schema}.trim_ticks(array[name]);
    return id;
end
{body};
