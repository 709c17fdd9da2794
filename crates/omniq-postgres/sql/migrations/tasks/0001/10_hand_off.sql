-- Hand-off: a lone task is added as claimed by an idle worker, which gets all of it in the notification that would wake it anyway. That saves
-- the claim: a statement, a commit and two network trips. docs/decisions/0016-hand-off.md.

-- Opens the inbox of a worker: a lock, as for listeners, that the listening connection holds.
create function {schema}.open_inbox(worker bigint) returns void
language sql volatile
begin atomic
    select pg_advisory_lock_shared(hashtext({channel} || ' inboxes'), (worker & 2147483647)::integer);
end;

create function {schema}.close_inbox(worker bigint) returns boolean
language sql volatile
begin atomic
    select pg_advisory_unlock_shared(hashtext({channel} || ' inboxes'), (worker & 2147483647)::integer);
end;

-- Whether the inbox of a worker is open. Until this transaction ends every other one gets false: two tasks could be one too many.
create function {schema}.inbox_is_open(worker bigint) returns boolean
language sql volatile
begin atomic
    select case when not pg_try_advisory_xact_lock(hashtext({channel} || ' hand-offs'), (worker & 2147483647)::integer) then false
                when not pg_try_advisory_lock(hashtext({channel} || ' inboxes'), (worker & 2147483647)::integer) then true
                else not pg_advisory_unlock(hashtext({channel} || ' inboxes'), (worker & 2147483647)::integer) end;
end;

-- Listens on a worker's channel. In a plain statement the name would show in pg_stat_activity and in logs.
create function {schema}.listen_on(channel text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
begin
    execute format('listen %I', channel);
end
{body};

-- Waits for all hand-offs to this worker that are in flight, then sends an empty notification. It arrives last, because notifications keep
-- their order.
create function {schema}.end_handoff(worker bigint, channel text) returns void
language sql volatile
begin atomic
    select pg_notify(channel, '')
    from pg_advisory_xact_lock(hashtext({channel} || ' hand-offs'), (worker & 2147483647)::integer);
end;

-- Adds a task and hands it off to an idle worker. False: no worker takes it, and nothing was done. With the owner's rights, because a role
-- that may enqueue need not be able to read; only such roles may call it.
create function {schema}.hand_off(
    id uuid, queue text, func text, codec text, payload bytea, priority smallint, max_retries integer,
    ttl double precision, options jsonb, metadata jsonb
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    at constant timestamptz := clock_timestamp();
    -- A random start, so that not always the same worker is asked first.
    start constant bigint := random() * (select max(k.id) from {schema}.workers k);
    inbox record;
begin
    -- A notification holds 8,000 bytes, and bytes are written as two digits each.
    if octet_length(payload) + coalesce(octet_length(options::text), 0) + coalesce(octet_length(metadata::text), 0) > 3000
       or exists (select from {schema}.paused_queues p where p.queue = hand_off.queue) then
        return false;
    end if;

    select k.id, k.epoch, k.channel into inbox
    from {schema}.workers k
    where k.id >= start
      and case when k.ended_at is null and k.channel is not null and hand_off.queue = any (k.queues) and hand_off.func = any (k.funcs)
                    -- A worker that has missed a heartbeat may be lost.
                    and {schema}.lease_end(k.id) > at + k.lease / 2
               then {schema}.inbox_is_open(k.id) end
    order by k.id limit 1
    for key share skip locked;
    if not found then
        select k.id, k.epoch, k.channel into inbox
        from {schema}.workers k
        where k.id < start
          and case when k.ended_at is null and k.channel is not null and hand_off.queue = any (k.queues)
                        and hand_off.func = any (k.funcs) and {schema}.lease_end(k.id) > at + k.lease / 2
                   then {schema}.inbox_is_open(k.id) end
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
        values (hand_off.id, hand_off.queue, hand_off.func, hand_off.codec, array[payload], hand_off.priority,
                hand_off.max_retries, 1, at, at, at + make_interval(secs => ttl), hand_off.options, hand_off.metadata,
                inbox.id, 1, 1, at)
        returning *
    ), deltas as (
        insert into {schema}.count_deltas (queue, running) values (hand_off.queue, 1)
    )
    select t.seq into inbox.id
    from task t, lateral (select pg_notify(inbox.channel, json_build_object(
        'epoch', inbox.epoch, 'id', t.id, 'seq', t.seq, 'queue', t.queue, 'func', t.func, 'codec', t.codec,
        'payload', encode(payload, 'hex'), 'priority', t.priority, 'max_retries', t.max_retries,
        'at', (extract(epoch from at) * 1000000)::bigint,
        'expires_at', (extract(epoch from t.expires_at) * 1000000)::bigint,
        'options', t.options, 'metadata', t.metadata)::text)) told;
    return true;
end
{body};
revoke execute on function {schema}.hand_off(
    uuid, text, text, text, bytea, smallint, integer, double precision, jsonb, jsonb) from public;
