-- Settles tasks inside the user's transaction. docs/decisions/0015-transactional-tasks.md.

-- Settles tasks that have rows of their own, each checked against its claim, and answers for each whether it was held. `batch` has `tasks`, an
-- array of {id, worker, number, outcome, delay in seconds, error, result, events, enqueues}; `keep`, whether completed tasks stay; `everything`, whether
-- one lost claim fails the transaction, as it always does in one that is not read committed. "values": the value of each task's result. What results and events are is written at store_results()
-- and add_events(), what is enqueued at enqueue_recorded(). It plans for tables of any size, whatever the session's settings.
create function {schema}.settle_in_transaction(batch jsonb, "values" bytea[]) returns boolean[]
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    at constant timestamptz := clock_timestamp();
    count constant integer := jsonb_array_length(batch->'tasks');
    keep constant boolean := (batch->>'keep')::boolean;
    -- A transaction with an older snapshot may not see the rows of their own, and must not answer that the claims are lost.
    everything constant boolean := (batch->>'everything')::boolean or current_setting('transaction_isolation') in ('repeatable read', 'serializable');
    -- The places in `tasks` of those that are held, from 1 on.
    held bigint[];
    ids uuid[];
    again uuid[];
    lost uuid;
    given record;
begin
    select array_agg(l.place), array_agg(l.id), array_agg(l.id) filter (where l.claims > l.attempt) into held, ids, again
    from (
        select g.place, t.*
        from (
            select e.place, e.task->>'outcome' as outcome, (e.task->>'id')::uuid as id, (e.task->>'worker')::bigint as worker,
                   (e.task->>'number')::integer as number
            from jsonb_array_elements(batch->'tasks') with ordinality as e(task, place)
            order by id
        ) g
        -- By itself for each, so that no plan reads more than these rows.
        cross join lateral (
            select t.id, t.claims, t.attempt
            from {schema}.tasks t
            where t.id = any (array[g.id]) and t.count = 1
              and case when g.outcome <> 'expire' then t.state = 1 and t.worker = g.worker and t.claims = g.number end
            for update
        ) t
    ) l;
    if everything and coalesce(cardinality(held), 0) < count then
        select (e.task->>'id')::uuid into lost
        from jsonb_array_elements(batch->'tasks') with ordinality as e(task, place)
        where not exists (select from unnest(held) as h(place) where h.place = e.place)
        order by e.place limit 1;
        perform {schema}.refuse('OQ001',
            format('task %s is not held by this claim (any more): it was not settled, and this transaction fails', lost),
            case when current_setting('transaction_isolation') in ('repeatable read', 'serializable')
                 then 'A transaction that is not read committed can also have begun before the task had a row of its own: '
                      || 'the next one has not.' end);
    end if;

    with settled as materialized (
        select (e.task->>'id')::uuid as id, e.task->>'outcome' as outcome, coalesce((e.task->>'delay')::double precision, 0) as delay,
               (e.task->>'error')::jsonb as error
        from jsonb_array_elements(batch->'tasks') with ordinality as e(task, place)
        join unnest(held) as h(place) on h.place = e.place
    ), deleted as (
        delete from {schema}.tasks t using settled s
        where t.id = any (ids) and t.count = 1 and s.id = t.id
          and (s.outcome in ('cancel', 'discard') or s.outcome = 'complete' and not keep)
        returning t.queue, t.id, t.linked, s.outcome
    ), changed as (
        update {schema}.tasks t
        set state = case s.outcome when 'complete' then 4 when 'fail' then 3 else case when s.delay > 0 then 0 else 1 end end,
            attempt = t.attempt - case when s.outcome in ('release', 'snooze') then 1 else 0 end,
            run_at = case when s.outcome in ('retry_later', 'snooze') then at + make_interval(secs => s.delay) else t.run_at end,
            expires_at = case when s.outcome in ('retry_later', 'snooze') and t.expires_at is not null
                              then {schema}.expiry(t, at + make_interval(secs => s.delay)) else t.expires_at end,
            error = coalesce(s.error, t.error),
            ended_at = case when s.outcome in ('complete', 'fail') then at end,
            worker = null, claimed_at = null
        from settled s
        where t.id = any (ids) and t.count = 1 and s.id = t.id
          and not (s.outcome in ('cancel', 'discard') or s.outcome = 'complete' and not keep)
        returning t.queue, t.state, t.id, t.linked, s.outcome
    ), noted as (
        insert into {schema}.end_notes (tasks, how)
        select array_agg(e.id), e.how
        from (
            select l.id, case l.outcome when 'complete' then 1 when 'fail' then 2 else 3 end as how
            from (select d.id, d.linked, d.outcome from deleted d union all select c.id, c.linked, c.outcome from changed c) l
            where l.linked and l.outcome in ('complete', 'fail', 'cancel', 'discard')
        ) e
        group by e.how
    ), deltas as (
        insert into {schema}.count_deltas (queue, ready, scheduled, running, dead, completed)
        select m.queue, count(*) filter (where m.state = 1), count(*) filter (where m.state = 0), -count(*),
               count(*) filter (where m.state = 3), count(*) filter (where m.state = 4)
        from (select d.queue, null::smallint as state from deleted d union all select c.queue, c.state from changed c) m
        group by m.queue
    )
    select count(pg_notify({channel}, q.queue)) into given
    from (select distinct c.queue from changed c where c.state in (0, 1)) q
    where {schema}.has_listener(q.queue);

    select jsonb_agg(e.task->'result' order by e.place) filter (where e.task->'result' is not null) as results,
           array_agg(settle_in_transaction."values"[e.place] order by e.place) filter (where e.task->'result' is not null) as "values"
    into given
    from jsonb_array_elements(batch->'tasks') with ordinality as e(task, place)
    join unnest(held) as h(place) on h.place = e.place;
    if given.results is not null then
        if to_regproc(format('%I.store_results', {schema_name})) is null then
            perform {schema}.refuse('OQ002', 'the settlements have results, and this schema keeps none',
                'Leave them out, or open the result storage, which makes its part of the schema.');
        end if;
        -- A task that was claimed more often than its attempts say may have a result from an earlier life.
        perform {schema}.store_results(given.results, given."values", coalesce(again, '{}'));
    end if;

    select jsonb_agg(v.event order by e.place, v.rank) as events into given
    from jsonb_array_elements(batch->'tasks') with ordinality as e(task, place)
    join unnest(held) as h(place) on h.place = e.place
    cross join lateral jsonb_array_elements(e.task->'events') with ordinality as v(event, rank);
    if given.events is not null then
        if to_regproc(format('%I.try_to_add_events', {schema_name})) is null then
            perform {schema}.refuse('OQ002', 'the settlements have events, and this schema keeps none',
                'Leave them out, or open the event storage, which makes its part of the schema.');
        end if;
        -- As long as workers wait for events, but within the limits of the transaction: its statement must not end because of this.
        perform {schema}.try_to_add_events(given.events,
            least(interval '15 seconds', nullif(current_setting('lock_timeout')::interval, '0'),
                  nullif(current_setting('statement_timeout')::interval, '0') / 2));
    end if;

    select jsonb_agg(v.task order by e.place, v.rank) as tasks into given
    from jsonb_array_elements(batch->'tasks') with ordinality as e(task, place)
    join unnest(held) as h(place) on h.place = e.place
    cross join lateral jsonb_array_elements(e.task->'enqueues') with ordinality as v(task, rank);
    if given.tasks is not null then
        perform {schema}.enqueue_recorded(given.tasks);
    end if;
    if {schema}.has_waits('') then
        perform {schema}.ring(array(
            select (e.task->>'id')::uuid
            from jsonb_array_elements(batch->'tasks') with ordinality as e(task, place)
            join unnest(held) as h(place) on h.place = e.place
            where e.task->>'outcome' in ('complete', 'fail', 'cancel', 'discard')), null);
    end if;
    return array(
        select h.place is not null
        from generate_series(1, count) as p(place)
        left join unnest(held) as h(place) on h.place = p.place
        order by p.place);
end
{body};
