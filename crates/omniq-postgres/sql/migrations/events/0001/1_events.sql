-- adds: the table of events
--
-- Events, in the order in which they were taken. Rows are only added.
create table {schema}.events (
    id       bigint generated always as identity,
    at       timestamptz not null,
    -- By the database's clock, for retention. `at` is the writer's time.
    taken_at timestamptz not null default now(),
    task_id  uuid,
    attempt  integer,
    kind     text not null,
    queue    text,
    func     text,
    worker   text,
    data     jsonb
) partition by range (taken_at);

create index events_id on {schema}.events (id);
create index events_task on {schema}.events (task_id, id) where task_id is not null;
-- Rare kinds are found without scanning those that every task has.
create index events_rare on {schema}.events (kind, id) where kind not in ('enqueued', 'started', 'completed');
create index events_at on {schema}.events using brin (at) with (autosummarize = on);
-- For logical replication, because of `purge`; each partition needs it.
alter table {schema}.events replica identity full;

{partitions}

-- Logs that tasks were enqueued, in the same transaction, one event each. Called by enqueue_many where the schema has events, and by the
-- library. If it fails, for example for a missing right, the events are lost, never the tasks.
create function {schema}.log_enqueued(ids uuid[], queues text[], funcs text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as {body}
declare
    fault text;
begin
    for try in 1..2 loop
        begin
            insert into {schema}.events (at, kind, task_id, queue, func, attempt)
            select clock_timestamp(), 'enqueued', e.id, e.queue, e.func, 0
            from unnest(ids, queues, funcs) with ordinality as e(id, queue, func, ord)
            order by e.ord;
            return;
        exception
            -- There is no partition for the start of the transaction.
            when check_violation then fault := sqlerrm;
            when others then fault := sqlerrm; exit;
        end;
        exit when try = 2;
        begin
            perform {schema}.make_events_partition(interval '0', interval '1 day');
        exception when others then fault := sqlerrm; exit;
        end;
    end loop;
    raise warning 'the events of % enqueued tasks were not logged: %', cardinality(ids), fault;
end
{body};

-- Logs events of runs, in the transaction that ends them and in this order. It waits for locks as long as its caller says, and fails then.
create function {schema}.log_events(
    ats timestamptz[], kinds text[], tasks uuid[], queues text[], funcs text[], workers text[], attempts integer[], data text[]
) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
begin
    insert into {schema}.events (at, kind, task_id, queue, func, worker, attempt, data)
    select e.at, e.kind, e.task_id, e.queue, e.func, e.worker, e.attempt, e.data::jsonb
    from unnest(ats, kinds, tasks, queues, funcs, workers, attempts, log_events.data)
         with ordinality as e(at, kind, task_id, queue, func, worker, attempt, data, ord)
    order by e.ord;
end
{body};

-- Adds events inside the user's transaction: `events` is an array of {at, kind, task_id, queue, func, worker, attempt, data}.
create function {schema}.add_events(events jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
begin
    for try in 1..2 loop
        begin
            insert into {schema}.events (at, kind, task_id, queue, func, worker, attempt, data)
            select (e.event->>'at')::timestamptz, e.event->>'kind', (e.event->>'task_id')::uuid, e.event->>'queue', e.event->>'func',
                   e.event->>'worker', (e.event->>'attempt')::integer, (e.event->>'data')::jsonb
            from jsonb_array_elements(add_events.events) with ordinality as e(event, place)
            order by e.place;
            return;
        exception when check_violation then
            -- There is no partition for the start of the transaction.
            if try = 2 then raise; end if;
        end;
        perform {schema}.make_events_partition(interval '0', interval '1 day');
    end loop;
end
{body};

-- Adds the events of tasks that are settled inside the user's transaction. If that is refused, or others hold the table for longer than
-- `patience`, the events are lost, not the transaction. A full disk fails the transaction: it passes, and the next run has its event.
create function {schema}.try_to_add_events(events jsonb, patience interval) returns void
-- The setting ends with the function, also what the body sets.
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '15s' as {body}
begin
    perform set_config('lock_timeout', greatest(extract(epoch from patience) * 1000, 1)::bigint::text, true);
    perform {schema}.add_events(events);
exception
    when insufficient_resources or disk_full or out_of_memory then raise;
    when others then
        raise warning 'the events of tasks that were settled in a transaction were not logged (the first: %): %', events->0->>'task_id', sqlerrm;
end
{body};
