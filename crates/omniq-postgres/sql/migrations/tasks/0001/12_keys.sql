-- Keys of tasks that are revived, and the clean-up of keys.

-- Takes the keys of those of these tasks, which this transaction has locked and is about to revive, that are dead letters or have expired. Returns
-- those that cannot have their key, because another task holds it by now or is revived with them.
create function {schema}.retake_keys(ids uuid[]) returns table (task uuid, key text, holder uuid)
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    u record;
begin
    select array_agg(g.id) as ids, array_agg(g.key) as keys, array_agg(g.first) as firsts, array_agg(g.id) filter (where g.id = g.first) as takers,
           array_agg(g.key) filter (where g.id = g.first) as wanted, array_agg(g.until_start) filter (where g.id = g.first) as until_starts,
           array_agg(null::timestamptz) filter (where g.id = g.first) as free_ats
    into u
    from (
        select t.id, o.given->>'key' as key, first_value(t.id) over (partition by o.given->>'key' order by t.id) as first,
               coalesce(o.given->>'until' = 'start', o.given->>'on_conflict' in ('replace', 'reschedule'), false) as until_start
        from {schema}.tasks t
        cross join lateral (select t.options->'unique' as given) o
        where t.id = any (retake_keys.ids) and t.count = 1 and o.given->>'key' is not null and t.worker is null
          and (t.state = 3 or t.state in (0, 1) and t.expires_at <= clock_timestamp())
    ) g;
    if u.ids is null then
        return;
    end if;
    return query
        select u.takers[k.place], u.wanted[k.place], k.holder
        from {schema}.take_keys(u.wanted, u.takers, u.until_starts, u.free_ats, false, u.takers, false) k
        where k.holder <> u.takers[k.place];
    return query
        select g.id, g.key, g.first from unnest(u.ids, u.keys, u.firsts) as g(id, key, first) where g.id <> g.first;
end
{body};

-- Deletes keys that nothing holds, about `most`, and returns how many it has looked at. A key that is held is looked at again after twice its
-- task's age: a minute at least, an hour at most.
create function {schema}.clean_keys(most integer) returns integer
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
declare
    at constant timestamptz := clock_timestamp();
    names text[];
begin
    names := array(
        select k.key from {schema}.keys k where k.look_at <= at order by k.look_at limit most for update skip locked);
    -- A statement that begins later sees the tasks of those keys.
    with looked as materialized (
        select k.key, k.free_at, t.created_at, coalesce(t.state in (0, 1), false) as is_open
        from unnest(names) as n(key)
        cross join lateral (select k.key, k.task_id, k.free_at from {schema}.keys k where k.key = n.key) k
        left join {schema}.tasks t on t.id = any (array[k.task_id]) and t.count = 1 and t.options->'unique'->>'key' = k.key
    ), over as (
        delete from {schema}.keys k using looked l where k.key = any (array[l.key]) and not l.is_open and coalesce(l.free_at <= at, true)
    )
    update {schema}.keys k
    set look_at = case when l.is_open then at + least(greatest(at - l.created_at, interval '1 minute'), interval '1 hour') else l.free_at end
    from looked l
    where k.key = any (array[l.key]) and (l.is_open or l.free_at > at);
    return cardinality(names);
end
{body};
