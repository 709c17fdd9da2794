-- Task ids: how they are made, and which segment holds a task.

-- A new task id: a UUIDv7 whose last 16 bits are zero.
create function {schema}.new_id() returns uuid
language sql volatile
begin atomic
    select encode(
        substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
        || set_byte(set_byte(r.b, 0, (get_byte(r.b, 0) & 15) | 112), 2, (get_byte(r.b, 2) & 63) | 128)
        || decode('0000', 'hex'), 'hex')::uuid
    -- The bytes of a random UUID that are wholly random.
    from (select substring(u from 1 for 6) || substring(u from 15 for 2)
          from uuid_send(gen_random_uuid()) as u) as r(b);
end;

{segments}

{ends}

-- The row that holds this task: its first task and its count. No row: there is no such task. A plan may check the conditions on rows of other
-- segments in any order, so the one that reads a bit checks its place itself; likewise in the functions and statements below.
create function {schema}.segment_of(task uuid) returns table (id uuid, count integer)
language sql stable parallel safe
begin atomic
    select t.id, t.count from {schema}.tasks t where t.id = task and (t.removed is null or get_bit(t.removed, 0) = 0)
    union all
    select t.id, t.count
    from {schema}.tasks t
    where t.id >= {schema}.id_after(task, -{schema}.offset_of(task)) and t.id < task and t.count > 1
      and case when {schema}.offset_of(task) - {schema}.offset_of(t.id) between 0 and t.count - 1
               then t.removed is null or get_bit(t.removed, {schema}.offset_of(task) - {schema}.offset_of(t.id)) = 0 end
    limit 1;
end;

-- One of these ids that is in use by a task. With the owner's rights, because a role that may enqueue need not be able to read.
create function {schema}.id_in_use(ids uuid[]) returns uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select i.id from unnest(ids) as i(id), lateral {schema}.segment_of(i.id) limit 1;
end;
revoke execute on function {schema}.id_in_use(uuid[]) from public;

-- How these tasks have ended, by their results, as in end_notes; nothing of those without one, and where this schema has none. The same search as in
-- result(), for all ids in one statement.
create function {schema}.ends_by_result(ids uuid[]) returns table (id uuid, how smallint)
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as {body}
begin
    if to_regclass(format('%I.result_segments', {schema_name})) is null then
        return;
    end if;
    return query
        select i.id, (case r.status when 'completed' then 1 when 'failed' then 2 else 3 end)::smallint
        from unnest(ids) as i(id)
        cross join lateral (
            select a.task_id, a.removed, a.expires_at, a.status from {schema}.result_segments a
            where a.count > 1 and a.task_id <= i.id and a.task_id >= {schema}.id_after(i.id, -{schema}.offset_of(i.id))
              and {schema}.offset_of(i.id) - {schema}.offset_of(a.task_id) < a.count
            union all
            select a.task_id, a.removed, a.expires_at, a.status from {schema}.result_segments a where a.count = 1 and a.task_id = i.id) r
        where r.expires_at > now()
          and case when r.removed is null then true
                   when {schema}.offset_of(i.id) - {schema}.offset_of(r.task_id) between 0 and length(r.removed) - 1
                   then get_bit(r.removed, {schema}.offset_of(i.id) - {schema}.offset_of(r.task_id)) = 0 end;
end
{body};

-- One of these ids of which a result is kept; null also where this schema has no results. With the owner's rights, because a role that may
-- enqueue need not be able to read.
create function {schema}.id_with_result(ids uuid[]) returns uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select e.id from {schema}.ends_by_result(id_with_result.ids) e limit 1;
end;
revoke execute on function {schema}.id_with_result(uuid[]) from public;
