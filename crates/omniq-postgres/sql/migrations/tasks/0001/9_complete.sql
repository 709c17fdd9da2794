-- Completes a task inside the user's transaction. docs/decisions/0015-transactional-tasks.md.

-- Completes a task that has a row of its own, checked against its claim: a lost claim fails the user's transaction. `run` has the task's id,
-- worker and number of the claim, and whether the task is kept; where they are on, `result` {worker, codec, ttl and step in seconds} and
-- `event` {worker}. `value` is the result's.
create function {schema}.complete(run jsonb, value bytea default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    task constant uuid := run->>'id';
    at constant timestamptz := clock_timestamp();
    ttl constant interval := make_interval(secs => (run->'result'->>'ttl')::double precision);
    done record;
begin
    select t.queue, t.func, t.attempt, t.claims, t.metadata, t.created_at, t.claimed_at into done
    from {schema}.tasks t
    where t.id = any (array[task]) and t.count = 1 and t.state = 1
      and t.worker = (run->>'worker')::bigint and t.claims = (run->>'number')::integer
    for update;
    if not found then
        perform {schema}.refuse('OQ001',
            format('task %s is not held by this claim (any more): its completion was refused, and this transaction fails', task),
            case when current_setting('transaction_isolation') <> 'read committed'
                 then 'A transaction that is not read committed can also have begun before the task had a row of its own: '
                      || 'the next run has.' end);
    end if;

    if (run->>'keep')::boolean then
        update {schema}.tasks t
        set state = 4, worker = null, claimed_at = null, ended_at = at
        where t.id = any (array[task]) and t.count = 1;
    else
        delete from {schema}.tasks t where t.id = any (array[task]) and t.count = 1;
    end if;
    insert into {schema}.count_deltas (queue, ready, scheduled, running, dead, completed)
    values (done.queue, null, null, -1, null, case when (run->>'keep')::boolean then 1 end);

    if run->'result' is not null then
        if ttl is not null then
            -- Counted from the start of the transaction, as the function does. Most often the partition exists.
            perform {schema}.make_results_partition(
                at - now() + ttl, make_interval(secs => (run->'result'->>'step')::double precision));
        end if;
        if done.claims > done.attempt then
            perform {schema}.remove_results(array[task], array[B'1'::bit varying]);
        end if;
        insert into {schema}.result_segments (
            task_id, status, codec, "values", queue, func, worker, attempt, metadata,
            enqueued_at, started_at, finished_at, expires_at)
        values (task, 'completed', run->'result'->>'codec', array[value], done.queue, done.func, run->'result'->>'worker',
                done.attempt, done.metadata, done.created_at, done.claimed_at, at, coalesce(at + ttl, 'infinity'));
    end if;

    if run->'event' is not null then
        -- As long as workers wait for events, but within the limits of the transaction: its statement must not end because of this.
        perform {schema}.log_completed(
            at, task, done.queue, done.func, run->'event'->>'worker', done.attempt,
            least(interval '15 seconds', nullif(current_setting('lock_timeout')::interval, '0'),
                  nullif(current_setting('statement_timeout')::interval, '0') / 2));
    end if;
end
{body};
