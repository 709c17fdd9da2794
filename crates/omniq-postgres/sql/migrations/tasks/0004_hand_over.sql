-- Hands a lone task straight to a worker that sleeps: it is added as claimed, and the worker is told all of it by the
-- notification that would wake it anyway. That spares the claim: a statement, a commit and two ways through the network.

-- The functions that a worker has, and the channel on which it hears what is handed to it. Notifications can be heard by whoever knows
-- their channel, and tasks are not for everybody: its name is a secret that only those can read who can read tasks.
alter table {schema}.workers add column funcs text[], add column ear text;

-- Says that a worker takes what is handed to it: a lock, as for sleepers, held by its listening connection.
create function {schema}.offer(worker bigint) returns void
language sql volatile
begin atomic
    select pg_advisory_lock_shared(hashtext({channel} || ' offers'), (worker & 2147483647)::integer);
end;

create function {schema}.withdraw_offer(worker bigint) returns boolean
language sql volatile
begin atomic
    select pg_advisory_unlock_shared(hashtext({channel} || ' offers'), (worker & 2147483647)::integer);
end;

-- Whether this worker takes what is handed to it just now. Until the transaction ends nobody else gets yes for it: two tasks at once
-- could be one too many.
create function {schema}.offers(worker bigint) returns boolean
language sql volatile
begin atomic
    select case when not pg_try_advisory_xact_lock(hashtext({channel} || ' hands over'), (worker & 2147483647)::integer) then false
                when not pg_try_advisory_lock(hashtext({channel} || ' offers'), (worker & 2147483647)::integer) then true
                else not pg_advisory_unlock(hashtext({channel} || ' offers'), (worker & 2147483647)::integer) end;
end;

-- Listens on a worker's channel. As a statement it would show the name to those who may see what sessions do, and to logs.
create function {schema}.hear(ear text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
begin
    execute format('listen %I', ear);
end
{body};

-- Waits until nobody is handing over to this worker who saw its offer before it was withdrawn, then tells its ear so: behind all that was
-- handed over, for notifications keep their order.
create function {schema}.end_handover(worker bigint, ear text) returns void
language sql volatile
begin atomic
    select pg_notify(ear, '')
    from pg_advisory_xact_lock(hashtext({channel} || ' hands over'), (worker & 2147483647)::integer);
end;

-- Adds a task and hands it to a sleeping worker; false if there is none that takes it, and nothing was done. With the owner's rights, for
-- who enqueues need not be able to look: to be called by those alone who may enqueue.
create function {schema}.hand_over(
    id uuid, queue text, func text, codec text, payload bytea, priority smallint, max_retries integer,
    ttl double precision, options jsonb, metadata jsonb
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    at constant timestamptz := clock_timestamp();
    -- From here on, so that not always the same one is asked first.
    start constant bigint := random() * (select max(k.id) from {schema}.workers k);
    hand record;
begin
    -- A notification holds 8,000 bytes, and bytes are written as two digits each.
    if octet_length(payload) + coalesce(octet_length(options::text), 0) + coalesce(octet_length(metadata::text), 0) > 3000
       or exists (select from {schema}.paused_queues p where p.queue = hand_over.queue) then
        return false;
    end if;

    select k.id, k.epoch, k.ear into hand
    from {schema}.workers k
    where k.id >= start
      and case when k.ended_at is null and k.ear is not null and hand_over.queue = any (k.queues) and hand_over.func = any (k.funcs)
                    -- One that has missed a heartbeat may not be well.
                    and {schema}.lease_end(k.id) > at + k.lease / 2
               then {schema}.offers(k.id) end
    order by k.id limit 1
    for key share skip locked;
    if not found then
        select k.id, k.epoch, k.ear into hand
        from {schema}.workers k
        where k.id < start
          and case when k.ended_at is null and k.ear is not null and hand_over.queue = any (k.queues)
                        and hand_over.func = any (k.funcs) and {schema}.lease_end(k.id) > at + k.lease / 2
                   then {schema}.offers(k.id) end
        order by k.id limit 1
        for key share skip locked;
        if not found then
            return false;
        end if;
    end if;

    with task as (
        insert into {schema}.tasks (
            id, queue, func, codec, payloads, priority, max_retries, state, run_at, created_at, expires_at, options, metadata,
            worker, attempt, claims, claimed_at)
        values (hand_over.id, hand_over.queue, hand_over.func, hand_over.codec, array[payload], hand_over.priority,
                hand_over.max_retries, 1, at, at, at + make_interval(secs => ttl), hand_over.options, hand_over.metadata,
                hand.id, 1, 1, at)
        returning *
    ), tallied as (
        insert into {schema}.tallies (queue, running) values (hand_over.queue, 1)
    )
    select t.seq into hand.id
    from task t, lateral (select pg_notify(hand.ear, json_build_object(
        'epoch', hand.epoch, 'id', t.id, 'seq', t.seq, 'queue', t.queue, 'func', t.func, 'codec', t.codec,
        'payload', encode(payload, 'hex'), 'priority', t.priority, 'max_retries', t.max_retries,
        'at', (extract(epoch from at) * 1000000)::bigint,
        'expires_at', (extract(epoch from t.expires_at) * 1000000)::bigint,
        'options', t.options, 'metadata', t.metadata)::text)) told;
    return true;
end
{body};
revoke execute on function {schema}.hand_over(
    uuid, text, text, text, bytea, smallint, integer, double precision, jsonb, jsonb) from public;
