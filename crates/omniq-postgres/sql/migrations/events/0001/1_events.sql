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

-- Logs that a task was completed inside the user's transaction. If that is refused, or others hold the table for longer than `patience`, the
-- event is lost, not the transaction. A full disk fails the transaction: it passes, and the next run has its event.
create function {schema}.log_completed(
    at timestamptz, task uuid, queue text, func text, worker text, attempt integer, patience interval
) returns void
-- The setting ends with the function, also what the body sets.
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '15s' as {body}
declare
    fault text;
begin
    perform set_config('lock_timeout', greatest(extract(epoch from patience) * 1000, 1)::bigint::text, true);
    for try in 1..2 loop
        begin
            insert into {schema}.events (at, kind, task_id, queue, func, worker, attempt)
            values (log_completed.at, 'completed', task, log_completed.queue, log_completed.func, log_completed.worker,
                    log_completed.attempt);
            return;
        exception
            -- There is no partition for the start of the transaction.
            when check_violation then fault := sqlerrm;
            when insufficient_resources or disk_full or out_of_memory then raise;
            when others then fault := sqlerrm; exit;
        end;
        exit when try = 2;
        begin
            perform {schema}.make_events_partition(interval '0', interval '1 day');
        exception when others then fault := sqlerrm; exit;
        end;
    end loop;
    raise warning 'the event of task %, which was completed in a transaction, was not logged: %', task, fault;
end
{body};
