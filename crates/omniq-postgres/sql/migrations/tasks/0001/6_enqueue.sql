-- The functions by which SQL clients enqueue.

-- Refuses delays and times to live, in seconds, that are out of range.
create function {schema}.check_spans(delays double precision[], ttls double precision[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    wrong record;
begin
    select i.delay, i.ttl into wrong
    from unnest(delays, ttls) as i(delay, ttl)
    where i.delay < 0 or i.ttl <= 0 or i.delay > 3.2e9 or i.ttl > 3.2e9
       or i.delay = 'NaN' or i.ttl = 'NaN'
    limit 1;
    if found then
        perform {schema}.refuse('OQ002',
            format('%s s is out of range', case when wrong.ttl <= 0 or wrong.ttl > 3.2e9 or wrong.ttl = 'NaN'
                                                 then 'ttl ' || wrong.ttl else 'delay ' || wrong.delay end),
            'A delay is 0 or more, a ttl more than 0, both at most 100 years.');
    end if;
end
{body};

-- Adds tasks, all or none: each array has one element for each task; those of run_ats, delays, ttls, options and metadata may be null. Delays
-- and ttls are seconds. `chosen`: ids that the user chose, which a task that has ended may have had; null: all. No result of such an id may be
-- kept. `logged`: with an `enqueued` event each, where this schema has events. `links`: 1 for a task whose end is noted, 2 for one that waits for others as
-- well. The caller has checked them.
create function {schema}.add_tasks(
    ids uuid[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[],
    max_retries integer[], run_ats timestamptz[], delays double precision[], ttls double precision[],
    options text[], metadata text[], chosen boolean[], logged boolean, links smallint[] default null
) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    -- Not now(), which in a long transaction is long past.
    at constant timestamptz := clock_timestamp();
    chosen_ids constant uuid[] := case when chosen is null then ids
        else array(select i.id from unnest(ids, chosen) as i(id, chosen) where i.chosen) end;
    in_use uuid;
begin
    perform {schema}.check_spans(delays, ttls);

    -- The unique index knows the first tasks of rows only. An id that was made for this call is of such a one, if an earlier call has added it.
    if cardinality(chosen_ids) > 0 then
        in_use := {schema}.id_in_use(chosen_ids);
        if in_use is not null then
            raise exception using errcode = 'unique_violation', constraint = 'tasks_id',
                message = format('there is a task %s already', in_use),
                detail = format('Key (id)=(%s) already exists.', in_use);
        end if;
    end if;

    insert into {schema}.tasks (
        id, queue, func, codec, payloads, priority, max_retries, state, run_at, created_at, expires_at, options, metadata, linked, claims)
    select i.id, i.queue, i.func, i.codec, array[i.payload], i.priority, i.max_retries,
           case when i.link = 2 then 2 when s.start > at then 0 else 1 end,
           s.start, at, greatest(s.start, at) + make_interval(secs => i.ttl),
           i.options::jsonb, i.metadata::jsonb, i.link is not null,
           -- More claims than attempts: there may be a result of an earlier life (see settle.sql).
           case when i.id = any (chosen_ids) then 1 else 0 end
    from unnest(ids, queues, funcs, codecs, payloads, priorities, add_tasks.max_retries,
                run_ats, delays, ttls, add_tasks.options, add_tasks.metadata, links)
         with ordinality as i(id, queue, func, codec, payload, priority, max_retries,
                              run_at, delay, ttl, options, metadata, link, ord),
         lateral (select coalesce(i.run_at, at + make_interval(secs => i.delay), at)) as s(start)
    order by i.ord;

    -- After the insert, which may have waited for the end of an earlier task: its result is visible now.
    if cardinality(chosen_ids) > 0 then
        in_use := {schema}.id_with_result(chosen_ids);
        if in_use is not null then
            raise exception using errcode = 'unique_violation', constraint = 'results_task',
                message = format('the result of an earlier task %s is still kept', in_use),
                detail = format('the result of an earlier task with the id %s is still kept: delete it to use the id again', in_use);
        end if;
    end if;

    -- Not from what the insert returns, because a role that may enqueue need not be able to read.
    insert into {schema}.count_deltas (queue, ready, scheduled, blocked)
    select i.queue, count(*) filter (where i.link is distinct from 2 and s.start <= at),
           count(*) filter (where i.link is distinct from 2 and s.start > at), nullif(count(*) filter (where i.link = 2), 0)
    from unnest(queues, run_ats, delays, links) as i(queue, run_at, delay, link),
         lateral (select coalesce(i.run_at, at + make_interval(secs => i.delay), at)) as s(start)
    group by i.queue;

    if logged and to_regproc(format('%I.log_enqueued', {schema_name})) is not null then
        perform {schema}.log_enqueued(ids, queues, funcs);
    end if;

    -- Notifies once for each queue that has a listener.
    perform pg_notify({channel}, q.name)
    from (select distinct unnest(queues)) as q(name)
    where {schema}.has_listener(q.name);
end
{body};

-- Whether some of these options are of a task that is unique.
create function {schema}.are_unique(options text[]) returns boolean
language sql immutable
begin atomic
    -- The text is looked at first, because it is faster.
    select exists (select from unnest(options) as o(given) where case when strpos(o.given, '"unique"') > 0 or strpos(o.given, '\') > 0 then o.given::jsonb->'unique' <> 'null' end);
end;

-- Whether some of these options are of a task that runs after others.
create function {schema}.are_linked(options text[]) returns boolean
language sql immutable
begin atomic
    select exists (select from unnest(options) as o(given) where case when strpos(o.given, '"after"') > 0 or strpos(o.given, '\') > 0 then o.given::jsonb->'after' <> 'null' end);
end;

-- Adds tasks, all or none, from any client and language, and returns their ids, or those of the tasks that hold their keys. Parameters as for
-- add_tasks(); ids may be null as well.
create function {schema}.enqueue_many(
    ids uuid[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[],
    max_retries integer[], run_ats timestamptz[], delays double precision[], ttls double precision[],
    options text[], metadata text[], chosen boolean[] default null, logged boolean default true
) returns setof uuid
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    all_ids uuid[] := ids;
    all_chosen boolean[] := chosen;
begin
    if current_setting('omniq.direct', true) is distinct from 'on' then
        perform {schema}.check_input(
            ids, queues, funcs, codecs, payloads, priorities, enqueue_many.max_retries, run_ats, delays, ttls, options, metadata);
    end if;
    if chosen is null or array_position(ids, null) is not null then
        select array_agg(coalesce(i.id, {schema}.new_id()) order by i.ord), array_agg(coalesce(i.chosen, i.id is not null) order by i.ord)
        into all_ids, all_chosen
        from unnest(ids, chosen) with ordinality as i(id, chosen, ord);
    end if;
    if {schema}.are_linked(options) then
        perform {schema}.enqueue_linked(
            all_ids, queues, funcs, codecs, payloads, priorities, enqueue_many.max_retries, run_ats, delays, ttls, options, metadata, all_chosen, logged);
        return query select unnest(all_ids);
        return;
    end if;
    if {schema}.are_unique(options) then
        return query
            select e.id
            from {schema}.enqueue_unique(
                all_ids, queues, funcs, codecs, payloads, priorities, enqueue_many.max_retries, run_ats, delays, ttls, options, metadata, all_chosen,
                logged) e;
        return;
    end if;
    perform {schema}.add_tasks(
        all_ids, queues, funcs, codecs, payloads, priorities, enqueue_many.max_retries, run_ats, delays, ttls, options, metadata, all_chosen, logged);
    return query select unnest(all_ids);
end
{body};


-- Enqueues one task from any language: select {schema}.enqueue('send_mail', '["ann@example.org"]'). Returns its id, or that of the task that holds
-- its key.
create function {schema}.enqueue(
    func text, payload jsonb default 'null', queue text default 'default', priority integer default 0,
    delay interval default null, run_at timestamptz default null, ttl interval default null,
    max_retries integer default 3, metadata jsonb default null, id uuid default null,
    key text default null, on_conflict text default null, until text default null, period interval default null, max_wait interval default null,
    after uuid[] default null, if_failed text default null
) returns uuid
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    "unique" constant jsonb := nullif(jsonb_strip_nulls(jsonb_build_object(
        'key', key, 'on_conflict', on_conflict, 'until', until, 'period', extract(epoch from period), 'max_wait', extract(epoch from max_wait))), '{}');
    options constant jsonb := nullif(jsonb_strip_nulls(jsonb_build_object(
        'unique', "unique",
        'after', nullif(jsonb_strip_nulls(jsonb_build_object('tasks', to_jsonb(after), 'if_failed', if_failed)), '{}'))), '{}');
    task uuid;
begin
    perform {schema}.check_json('payload', payload, false);
    select e into task
    from {schema}.enqueue_many(
        array[coalesce(enqueue.id, {schema}.new_id())], array[queue], array[func], array['json'], array[convert_to(payload::text, 'UTF8')],
        array[priority::smallint], array[enqueue.max_retries], array[enqueue.run_at],
        array[extract(epoch from delay)::double precision], array[extract(epoch from ttl)::double precision],
        array[options::text], array[enqueue.metadata::text],
        array[enqueue.id is not null]) e;
    return task;
end
{body};

-- Adds tasks, all or none: `tasks` is an array of {id, queue, func, codec, priority, max_retries, run_at, delay, ttl, options, metadata, chosen}.
-- Returns an empty array if all were added; else for each `new`, or what has become of it and the task that holds its key, as in 'skipped 01a2...'.
create function {schema}.enqueue_in_transaction(tasks jsonb, payloads bytea[]) returns text[]
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    t record;
begin
    if jsonb_array_length(tasks) = 0 then
        return '{}';
    end if;
    select array_agg((e.task->>'id')::uuid order by e.place) as ids, array_agg(e.task->>'queue' order by e.place) as queues,
           array_agg(e.task->>'func' order by e.place) as funcs, array_agg(e.task->>'codec' order by e.place) as codecs,
           array_agg((e.task->>'priority')::smallint order by e.place) as priorities,
           array_agg((e.task->>'max_retries')::integer order by e.place) as max_retries,
           array_agg((e.task->>'run_at')::timestamptz order by e.place) as run_ats,
           array_agg((e.task->>'delay')::double precision order by e.place) as delays,
           array_agg((e.task->>'ttl')::double precision order by e.place) as ttls,
           array_agg(e.task->>'options' order by e.place) as options, array_agg(e.task->>'metadata' order by e.place) as metadata,
           array_agg((e.task->>'chosen')::boolean order by e.place) as chosen
    into t
    from jsonb_array_elements(tasks) with ordinality as e(task, place);
    if current_setting('omniq.direct', true) is distinct from 'on' then
        perform {schema}.check_input(
            t.ids, t.queues, t.funcs, t.codecs, payloads, t.priorities, t.max_retries, t.run_ats, t.delays, t.ttls, t.options, t.metadata);
    end if;
    if {schema}.are_linked(t.options) then
        perform {schema}.enqueue_linked(
            t.ids, t.queues, t.funcs, t.codecs, payloads, t.priorities, t.max_retries, t.run_ats, t.delays, t.ttls, t.options, t.metadata, t.chosen,
            true);
        return '{}';
    end if;
    if {schema}.are_unique(t.options) then
        return array(
            select case e.enqueued when 'new' then 'new' else format('%s %s', e.enqueued, e.id) end
            from {schema}.enqueue_unique(
                t.ids, t.queues, t.funcs, t.codecs, payloads, t.priorities, t.max_retries, t.run_ats, t.delays, t.ttls, t.options, t.metadata,
                t.chosen, true) with ordinality as e(id, enqueued, place)
            order by e.place);
    end if;
    perform {schema}.add_tasks(
        t.ids, t.queues, t.funcs, t.codecs, payloads, t.priorities, t.max_retries, t.run_ats, t.delays, t.ttls, t.options, t.metadata, t.chosen,
        true);
    return '{}';
end
{body};

-- The same with each payload in its record, as hexadecimal digits: the tasks that settlements enqueue.
create function {schema}.enqueue_recorded(tasks jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
begin
    perform {schema}.enqueue_in_transaction(tasks, array(
        select decode(e.task->>'payload', 'hex')
        from jsonb_array_elements(tasks) with ordinality as e(task, place)
        order by e.place));
end
{body};
