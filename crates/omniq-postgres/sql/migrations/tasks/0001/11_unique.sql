-- Unique tasks: a key, which at most one unfinished task holds. docs/decisions/0054-unique-tasks.md.

-- A key is held if its task is there, unfinished and not expired, and, if it is unique until its start, not with a worker; or if `free_at` is
-- still to come. Nothing frees a key: the next enqueue finds that it is free. So no verb that ends a task can forget to do it, and none waits for a
-- key. A task is known by its id and its key, because an id may be used again.
create table {schema}.keys (
    key         text collate "C" primary key,
    -- The task that took it last.
    task_id     uuid not null,
    until_start boolean not null,
    -- Not free before.
    free_at     timestamptz,
    -- When the clean-up looks at it.
    look_at     timestamptz not null
);
create index keys_look on {schema}.keys (look_at);

-- Keys with their tasks.
create view {schema}.key_list as
select k.key, k.task_id, k.until_start, k.free_at,
       case when t.state = 0 then 'scheduled' when t.state = 1 and t.worker is null then 'ready' when t.state = 1 then 'running'
            when t.state = 3 then 'dead' when t.state = 4 then 'completed' end as state,
       coalesce(k.free_at > clock_timestamp(), false)
           or coalesce(t.state in (0, 1) and (t.worker is null and coalesce(t.expires_at > clock_timestamp(), true)
                                              or t.worker is not null and not k.until_start), false) as held
from {schema}.keys k
left join {schema}.tasks t on t.id = k.task_id and t.count = 1 and t.options->'unique'->>'key' = k.key;

-- How these keys are held. `holder`: null for a key that is not there; `holds`: mine (by the task of `own` at its place), waits (it is the one of
-- `locked` at its place), open (it waits, and is not locked), busy (it runs, or the period is not over), or free; null for a key that is null.
-- Volatile, so that it sees what was committed while the caller waited.
create function {schema}.holders_of(keys text[], own uuid[], locked uuid[], at timestamptz)
returns table (place integer, holder uuid, holds text)
language sql volatile
begin atomic
    select w.place::integer, k.task_id,
           case when w.key is null then null
                when k.task_id = w.own then 'mine'
                when k.task_id = w.locked then 'waits'
                when t.id is not null and t.worker is null then 'open'
                when k.free_at > holders_of.at or t.id is not null and not k.until_start then 'busy'
                else 'free' end
    from unnest(holders_of.keys, holders_of.own, holders_of.locked) with ordinality as w(key, own, locked, place)
    left join lateral (select k.key, k.task_id, k.until_start, k.free_at from {schema}.keys k where k.key = any (array[w.key])) k on true
    left join lateral (
        select t.id, t.worker from {schema}.tasks t
        where t.id = any (array[k.task_id]) and t.count = 1 and t.state in (0, 1) and t.options->'unique'->>'key' = k.key
          and (t.worker is not null or t.expires_at is null or t.expires_at > holders_of.at)) t on true;
end;

-- Locks these tasks until the end of the transaction, if each of them waits: no claim takes them then. `exclusive`: so that they can be changed;
-- otherwise other transactions can lock them likewise. False, and no lock is kept, if one is claimed or ends meanwhile: the lock of a running task
-- would hold up its settlement.
create function {schema}.lock_waiting(ids uuid[], exclusive boolean) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    waiting integer;
begin
    -- Workers that fall asleep wait for the end of transactions with this lock: what is locked now may be ready then.
    lock table {schema}.tasks in row exclusive mode;
    if exclusive then
        select count(*) into waiting from (
            select from {schema}.tasks t
            where t.id = any (ids) and t.count = 1 and t.worker is null and t.state in (0, 1)
            order by t.id
            for update) t;
    else
        select count(*) into waiting from (
            select from {schema}.tasks t
            where t.id = any (ids) and t.count = 1 and t.worker is null and t.state in (0, 1)
            order by t.id
            for key share) t;
    end if;
    -- An exception, because it gives the locks back.
    perform {schema}.refuse('OQ008', 'a task does not wait any more') where waiting < cardinality(ids);
    return true;
exception when sqlstate 'OQ008' then
    return false;
end
{body};

-- Takes keys, of which each comes once, for tasks; null: its task wants none. Returns those that other tasks hold: their places, the holders, and
-- whether a holder waits, and so can be changed if `exclusive`. Until the end of the transaction the keys stay locked, and the holders that wait.
-- If all keys are held, and not `exclusive`, no key is locked, so that any number of transactions can hold on to the same holder. A key that the
-- task itself took last is returned with its id if `again` (an earlier call has taken it), and taken anew otherwise, its period being that of
-- before; `own`: the tasks of which that is known, null for others.
--
-- Keys are locked in their order, then holders in the order of ids. Claims and settlements lock no keys. Its callers have set how it is planned:
-- each setting of a function costs a call of one task some microseconds.
create function {schema}.take_keys(
    keys text[], ids uuid[], until_starts boolean[], free_ats timestamptz[], exclusive boolean, own uuid[], again boolean
) returns table (place integer, holder uuid, waits boolean)
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    at constant timestamptz := clock_timestamp();
    -- Of each key: the holder that waits, and is locked.
    locked uuid[] := array_fill(null::uuid, array[cardinality(take_keys.keys)]);
    taken text[];
    -- Of the keys that are there: their places, keys, tasks, holders, how these hold, and those that wait.
    held record;
begin
    -- The first key tells most often whether all are new, for which no holder is looked at.
    if not exclusive and (keys[1] is null or exists (select from {schema}.keys k where k.key = take_keys.keys[1])) then
        select array_agg(h.holder) filter (where h.holds = 'open') as open,
               array_agg(case when h.holds = 'open' then h.holder end order by h.place) as waiting,
               bool_and(h.holds in ('waits', 'open', 'busy') or h.holds = 'mine' and take_keys.again) as all_held
        into held
        from {schema}.holders_of(take_keys.keys, take_keys.own, locked, at) h;
        if held.all_held then
            begin
                if held.open is null or {schema}.lock_waiting(held.open, false) then
                    -- What it returns is of one moment, in which all keys are held.
                    return query
                        select h.place, h.holder, h.holds = 'waits'
                        from (select h.*, bool_and(h.holds in ('waits', 'busy') or h.holds = 'mine' and take_keys.again) over () as all_held
                              from {schema}.holders_of(take_keys.keys, take_keys.own, held.waiting, at) h) h
                        where h.all_held and h.holds is not null;
                    if found then
                        return;
                    end if;
                end if;
                -- Gives the locks back, because keys are locked before tasks.
                raise exception using errcode = 'OQ008';
            exception when sqlstate 'OQ008' then
                -- Locked below.
                null;
            end;
        end if;
    end if;

    with taken as (
        insert into {schema}.keys as k (key, task_id, until_start, free_at, look_at)
        select w.key, w.id, w.until_start, w.free_at, at + interval '1 minute'
        from unnest(take_keys.keys, take_keys.ids, until_starts, free_ats) as w(key, id, until_start, free_at)
        where w.key is not null
        order by w.key collate "C"
        -- Locks the key, after the end of a transaction that has it.
        on conflict on constraint keys_pkey do update set task_id = k.task_id where false
        returning k.key
    )
    select array(select t.key from taken t) into taken;
    if cardinality(taken) = cardinality(array_remove(take_keys.keys, null)) then
        return;
    end if;

    select array_agg(w.place::integer) as places, array_agg(w.key) as keys, array_agg(w.own) as own into held
    from unnest(take_keys.keys, take_keys.own) with ordinality as w(key, own, place)
    where w.key is not null and w.key not in (select unnest(taken));

    locked := array_fill(null::uuid, array[cardinality(held.keys)]);
    loop
        select held.places as places, held.keys as keys, held.own as own, array_agg(h.holder order by h.place) as holders,
               array_agg(case when h.holds = 'mine' and not take_keys.again then 'free' else h.holds end
                         order by h.place) as holds,
               array_agg(h.holder) filter (where h.holds = 'open') as open,
               array_agg(case when h.holds in ('waits', 'open') then h.holder end order by h.place) as waiting into held
        from {schema}.holders_of(held.keys, held.own, locked, at) h;
        exit when held.open is null;
        -- One that is claimed meanwhile is looked at again, and so is one that ran and waits again.
        if {schema}.lock_waiting(held.open, exclusive) then
            locked := held.waiting;
        end if;
    end loop;
    update {schema}.keys k
    set task_id = w.id, until_start = w.until_start, free_at = case when k.task_id = w.id then k.free_at else w.free_at end,
        look_at = at + interval '1 minute'
    from (
        select w.key, w.id, w.until_start, w.free_at
        from unnest(held.places, held.holds) as h(place, holds)
        join unnest(take_keys.keys, take_keys.ids, until_starts, free_ats) with ordinality as w(key, id, until_start, free_at, place)
          on w.place = h.place
        where h.holds = 'free'
    ) w
    where k.key = any (array[w.key]);
    return query
        select h.place, h.holder, h.holds = 'waits'
        from unnest(held.places, held.holders, held.holds) as h(place, holder, holds)
        where h.holds <> 'free';
end
{body};

-- Adds tasks, all or none, as if one after the other, and returns for each its id, or that of the task that holds its key, and what has become
-- of it: new, skipped, replaced or rescheduled. Parameters as for enqueue_many(), with all ids. What is unique has options->'unique', as check_options()
-- knows it; the others are added. With the owner's rights, because a role that may enqueue need not be able to read; only such roles may
-- call it.
create function {schema}.enqueue_unique(
    ids uuid[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[],
    max_retries integer[], run_ats timestamptz[], delays double precision[], ttls double precision[],
    options text[], metadata text[], chosen boolean[], logged boolean
) returns table (id uuid, enqueued text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    at constant timestamptz := clock_timestamp();
    size constant integer := cardinality(ids);
    -- Of each task: its key, and what it is unique by.
    u record;
    -- Of each task: the number that it is among those of the call with its key, and the place of the first of these.
    nths integer[] := array_fill(1, array[size]);
    firsts integer[];
    -- The keys of the first tasks with each.
    wanted text[];
    holder record;
    -- By place: the task that holds the key, whether it waits, and whether it is this one.
    owners uuid[] := ids;
    waits boolean[] := array_fill(true, array[size]);
    free boolean[] := array_fill(true, array[size]);
    results text[];
    adds boolean[];
    added record;
    wrong record;
begin
    select array_agg(g.key order by g.place) as keys, array_agg(g.policy order by g.place) as policies,
           array_agg(g.until_start order by g.place) as until_starts, array_agg(g.free_at order by g.place) as free_ats,
           array_agg(g.max_wait order by g.place) as max_waits, bool_or(g.policy in ('replace', 'reschedule')) as exclusive,
           count(g.key) > count(distinct g.key) as doubled,
           -- Of an id that was made for this call: then an earlier one has added it, and its answer was lost.
           array_agg(case when not g.chosen then g.id end order by g.place) as own
    into u
    from (
        select o.place, o.id, o.chosen, (o.given->>'key') collate "C" as key, o.policy,
               coalesce(o.given->>'until' = 'start', o.policy in ('replace', 'reschedule')) as until_start,
               at + make_interval(secs => (o.given->>'period')::double precision) as free_at,
               (o.given->>'max_wait')::double precision as max_wait
        from (
            select i.place, i.id, i.chosen, i.given->'unique' as given, coalesce(i.given->'unique'->>'on_conflict', 'skip') as policy
            from (
                select i.place, i.id, i.chosen, i.given::jsonb as given
                from unnest(enqueue_unique.ids, enqueue_unique.chosen, enqueue_unique.options) with ordinality as i(id, chosen, given, place)
                -- So that a text is read once.
                offset 0) i) o
    ) g;
    wanted := u.keys;
    if u.doubled then
        select array_agg(g.nth order by g.place), array_agg(g.first order by g.place), array_agg(case when g.nth = 1 then g.key end order by g.place)
        into nths, firsts, wanted
        from (
            select k.key, k.place, row_number() over same as nth, first_value(k.place) over same as first
            from unnest(u.keys) with ordinality as k(key, place)
            window same as (partition by k.key collate "C" order by k.place)
        ) g;
    end if;

    for holder in
        select t.place, t.holder as task, t.waits
        from {schema}.take_keys(wanted, ids, u.until_starts, u.free_ats, u.exclusive, u.own, true) t
    loop
        owners[holder.place] := holder.task;
        waits[holder.place] := holder.waits;
        free[holder.place] := false;
    end loop;
    if not u.doubled and not false = any (free) then
        -- All are new, as most often.
        perform {schema}.add_tasks(
            ids, queues, funcs, codecs, payloads, priorities, enqueue_unique.max_retries, run_ats, delays, ttls, options, metadata, chosen, logged);
        return query select unnest(ids), 'new';
        return;
    end if;

    firsts := coalesce(firsts, array(select generate_series(1, size)));
    -- Also of those that are not added.
    perform {schema}.check_spans(delays, ttls);
    select array_agg(case when g.key is null or g.nth = 1 and (free[g.place] or owners[g.place] = g.id and not g.chosen) then 'new'
                          when g.policy = 'replace' and waits[g.first] then 'replaced'
                          when g.policy = 'reschedule' and waits[g.first] then 'rescheduled'
                          when g.policy = 'error' then 'error'
                          else 'skipped' end order by g.place)
    into results
    from unnest(u.keys, enqueue_unique.ids, u.policies, nths, firsts, enqueue_unique.chosen)
         with ordinality as g(key, id, policy, nth, first, chosen, place);
    select g.key, owners[g.first] as task into wrong
    from unnest(u.keys, results, firsts) as g(key, enqueued, first)
    where g.enqueued = 'error'
    limit 1;
    if found then
        raise exception using errcode = 'OQ009', constraint = 'OQ009', message = format('the key "%s" is held by task %s', wrong.key, wrong.task),
            detail = format('%s %s', wrong.task, wrong.key), hint = 'Wait for its end, cancel it, or choose another on_conflict.';
    end if;

    -- Those that are new, but not one that an earlier call has added.
    adds := array(
        select g.key is null or g.nth = 1 and free[g.place]
        from unnest(u.keys, nths) with ordinality as g(key, nth, place)
        order by g.place);
    if not false = any (adds) then
        perform {schema}.add_tasks(
            ids, queues, funcs, codecs, payloads, priorities, enqueue_unique.max_retries, run_ats, delays, ttls, options, metadata, chosen, logged);
    elsif true = any (adds) then
        select array_agg(g.id order by g.place) as ids, array_agg(g.queue order by g.place) as queues, array_agg(g.func order by g.place) as funcs,
               array_agg(g.codec order by g.place) as codecs, array_agg(g.payload order by g.place) as payloads,
               array_agg(g.priority order by g.place) as priorities, array_agg(g.max_retries order by g.place) as max_retries,
               array_agg(g.run_at order by g.place) as run_ats, array_agg(g.delay order by g.place) as delays,
               array_agg(g.ttl order by g.place) as ttls, array_agg(g.options order by g.place) as options,
               array_agg(g.metadata order by g.place) as metadata, array_agg(coalesce(g.chosen, false) order by g.place) as chosen
        into added
        from unnest(adds, enqueue_unique.ids, queues, funcs, codecs, payloads, priorities, enqueue_unique.max_retries, run_ats, delays, ttls,
                    enqueue_unique.options, enqueue_unique.metadata, enqueue_unique.chosen)
             with ordinality as g(adds, id, queue, func, codec, payload, priority, max_retries, run_at, delay, ttl, options, metadata, chosen, place)
        where g.adds;
        perform {schema}.add_tasks(
            added.ids, added.queues, added.funcs, added.codecs, added.payloads, added.priorities, added.max_retries, added.run_ats, added.delays,
            added.ttls, added.options, added.metadata, added.chosen, logged);
    end if;

    -- Those of one key follow one another.
    for turn in 1 .. case when u.exclusive then (select max(n.nth) from unnest(nths) as n(nth)) else 0 end loop
        with given as materialized (
            select owners[g.first] as task, g.key, g.until_start, g.free_at, g.queue, g.func, g.codec, g.payload, g.priority, g.max_retries, g.ttl, g.options::jsonb as options,
                   g.metadata::jsonb as metadata, g.enqueued = 'rescheduled' as with_start, g.max_wait,
                   coalesce(g.run_at, at + make_interval(secs => g.delay), at) as start
            from unnest(results, nths, firsts, u.keys, u.until_starts, u.free_ats, u.max_waits, queues, funcs, codecs, payloads, priorities, enqueue_unique.max_retries, run_ats,
                        delays, ttls, enqueue_unique.options, enqueue_unique.metadata)
                 as g(enqueued, nth, first, key, until_start, free_at, max_wait, queue, func, codec, payload, priority, max_retries, run_at, delay, ttl, options, metadata)
            where g.nth = turn and g.enqueued in ('replaced', 'rescheduled')
        ), before as materialized (
            -- Locked by take_keys(), or added by this call.
            select g.*, t.queue as old_queue, t.state as old_state,
                   case when g.with_start then greatest(least(g.start, t.created_at + make_interval(secs => g.max_wait)), at) else t.run_at end as run_at
            from given g
            cross join lateral (
                select t.queue, t.state, t.run_at, t.created_at from {schema}.tasks t where t.id = any (array[g.task]) and t.count = 1) t
        ), changed as (
            update {schema}.tasks t
            set queue = b.queue, func = b.func, codec = b.codec, payloads = array[b.payload], priority = b.priority, max_retries = b.max_retries,
                options = b.options, metadata = b.metadata, attempt = 0, error = null, run_at = b.run_at,
                state = case when not b.with_start then t.state when b.run_at > at then 0 else 1 end,
                expires_at = case when b.with_start then b.run_at + make_interval(secs => b.ttl) else t.expires_at end
            from before b
            where t.id = any (array[b.task]) and t.count = 1
            returning t.queue, t.state, b.old_queue, b.old_state
        ), held as (
            update {schema}.keys k set until_start = g.until_start, free_at = coalesce(g.free_at, k.free_at)
            from given g where k.key = any (array[g.key])
        ), deltas as (
            insert into {schema}.count_deltas (queue, ready, scheduled)
            select m.queue, sum(m.tasks) filter (where m.state = 1), sum(m.tasks) filter (where m.state = 0)
            from changed c
            cross join lateral (values (c.old_queue, c.old_state, -1), (c.queue, c.state, 1)) as m(queue, state, tasks)
            where (c.old_queue, c.old_state) <> (c.queue, c.state)
            group by m.queue
        )
        select count(pg_notify({channel}, q.queue)) into wrong
        from (select distinct c.queue from changed c) q
        where {schema}.has_listener(q.queue);
    end loop;

    return query
        select owners[g.first], g.enqueued
        from unnest(results, firsts) with ordinality as g(enqueued, first, place)
        order by g.place;
end
{body};
revoke execute on function {schema}.enqueue_unique(
    uuid[], text[], text[], text[], bytea[], smallint[], integer[], timestamptz[], double precision[], double precision[], text[], text[],
    boolean[], boolean) from public;
