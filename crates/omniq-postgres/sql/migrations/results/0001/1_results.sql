-- adds: the table of results
--
-- Results, kept until they expire; for ever: until infinity. A row holds one result, or those of several tasks with one base id that were
-- settled together. The statements that write keep to one result for each task: see remove_results() and store_many.sql.
-- docs/decisions/0018-results-in-segments.md.

{segments}

{ends}

create table {schema}.result_segments (
    enqueued_at timestamptz,
    started_at  timestamptz,
    -- Of several: the latest.
    finished_at timestamptz not null,
    expires_at  timestamptz not null,
    -- Of several: the first.
    task_id     uuid not null,
    attempt     integer not null default 0,
    -- The number of tasks that the row spans.
    count       integer not null default 1,
    -- completed, failed, cancelled, expired, discarded
    status      text not null,
    queue       text not null,
    func        text not null,
    worker      text,
    codec       text,
    -- A bit for each task without a result in this row: it never had one, or it was removed. Null: all have one.
    removed        bit varying,
    -- One element for each task; null where it has no value.
    "values"    bytea[] not null default '{null}',
    error       jsonb,
    metadata    jsonb
) partition by range (expires_at);
-- For the usual sizes compression costs more than it saves.
alter table {schema}.result_segments alter column "values" set storage external;

create index results_task on {schema}.result_segments (task_id);
-- A task within a row is searched for among the rows of several that begin before it.
create index results_segment on {schema}.result_segments (task_id) where count > 1;
-- Ascending, so that new rows are added at its end, which is cheapest. The latest first is a backward scan.
create index results_finished on {schema}.result_segments (finished_at, task_id);
-- Most results are completions. The others are found without scanning those.
create index results_uncompleted on {schema}.result_segments (status, finished_at, task_id) where status <> 'completed';
create index results_expiring on {schema}.result_segments using brin (expires_at) with (autosummarize = on);

-- The rules that the statements rely on: the length of arrays and bitmaps, and names that the library knows. A trigger for the same reason as
-- that of tasks. In the library's sessions it does not fire.
create function {schema}.check_result() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    broken constant text[] := case
        when new.status not in ('completed', 'failed', 'cancelled', 'expired', 'discarded')
            then array['known_status', format('status %s is unknown', left(new.status, 40))]
        when not (new.codec in ('json', 'msgpack', 'raw', 'pickle', 'dill') or new.codec ~ '^x-[a-z0-9_-]{1,30}$')
            then array['known_codec', format('codec %s is unknown: use json, msgpack, raw, pickle, dill, or x-...', left(new.codec, 40))]
        when new.count not between 1 and 65536 - {schema}.offset_of(new.task_id)
            then array['count_within_segment', format('a row of %s results is refused: the first has offset %s of 65536',
                                                  new.count, {schema}.offset_of(new.task_id))]
        when length(new.removed) <> new.count
            then array['removed_of_each', format('removed has %s bits for %s results', length(new.removed), new.count)]
        when array_ndims(new."values") is distinct from 1 or array_lower(new."values", 1) <> 1
             or cardinality(new."values") <> new.count
            then array['value_of_each', format('values has %s elements for %s results', cardinality(new."values"), new.count)]
        when new.attempt < 0 then array['attempt_range', format('attempt %s is less than 0', new.attempt)]
        when jsonb_typeof(new.error) <> 'object' then array['error_object', 'error is no JSON object']
        when jsonb_typeof(new.metadata) <> 'object' then array['metadata_object', 'metadata is no JSON object']
    end;
begin
    if broken is not null then
        raise exception using errcode = 'check_violation', schema = {schema_name}, table = 'result_segments', constraint = broken[1],
            message = format('%s (rule %s)', broken[2], broken[1]);
    end if;
    return new;
end
{body};
revoke execute on function {schema}.check_result() from public;
create trigger check_result
before insert or update of task_id, count, removed, "values", status, codec, attempt, error, metadata on {schema}.result_segments
for each row when (current_setting('omniq.direct', true) is distinct from 'on')
execute function {schema}.check_result();

create table {schema}.results_kept partition of {schema}.result_segments for values from ('infinity') to (maxvalue);
-- For logical replication; each partition needs it. A key would be one more index for each result.
alter table {schema}.result_segments replica identity full;
alter table {schema}.results_kept replica identity full;

{partitions}

-- Results, one row each.
create view {schema}.results as
select {schema}.id_after(r.task_id, v.ord::integer - 1) as task_id, r.status, r.queue, r.func, r.worker, r.attempt,
       r.codec, v.value, r.error, r.metadata, r.enqueued_at, r.started_at, r.finished_at, r.expires_at
from {schema}.result_segments r
cross join lateral unnest(r."values") with ordinality as v(value, ord)
where r.removed is null or substring(r.removed from v.ord::integer for 1) = B'0';

-- The result of one task, as the view shows it, found by index. In PL/pgSQL, because a function in SQL would become part of other statements'
-- plans: docs/decisions/0035-partitions-and-plans.md.
create function {schema}.result(task uuid) returns setof {schema}.results
language plpgsql stable parallel safe rows 1 set search_path = pg_catalog, pg_temp as {body}
begin
    return query
    select task, r.status, r.queue, r.func, r.worker, r.attempt, r.codec, r."values"[p.index + 1], r.error, r.metadata,
           r.enqueued_at, r.started_at, r.finished_at, r.expires_at
    from (
        select * from {schema}.result_segments r
        where r.count > 1 and r.task_id <= task and r.task_id >= {schema}.id_after(task, -{schema}.offset_of(task))
          and {schema}.offset_of(task) - {schema}.offset_of(r.task_id) < r.count
        union all
        select * from {schema}.result_segments r where r.count = 1 and r.task_id = task
    ) r
    cross join lateral (select {schema}.offset_of(task) - {schema}.offset_of(r.task_id)) as p(index)
    where r.expires_at > now()
      and case when r.removed is null then true
               when p.index between 0 and length(r.removed) - 1 then get_bit(r.removed, p.index) = 0 end
    order by r.finished_at desc
    limit 1;
end
{body};

-- Removes results and returns the number of those that had not expired. The tasks are grouped by base id, each group once: its first task,
-- and a mask that begins there. A row is deleted with the last of its results.
create function {schema}.remove_results(firsts uuid[], masks bit varying[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    base_ids uuid[];
    lasts uuid[];
    seen record;
begin
    select array_agg({schema}.id_after(g.first, -{schema}.offset_of(g.first)) order by g.no),
           array_agg({schema}.id_after(g.first, length(g.mask) - 1) order by g.no)
    into base_ids, lasts
    from unnest(firsts, masks) with ordinality as g(first, mask, no);

    -- All rows are locked before any is changed, so that what other sessions remove meanwhile is visible. All sessions lock in one order: by
    -- base id, and of each the rows of several first.
    select coalesce(sum(bit_count(f.hits)) filter (where f.expires_at > now()), 0)::bigint as live,
           bool_or(f.count = 1) as alone, bool_or(f.count > 1 and bit_count(f.hits) > 0) as in_rows
    into seen
    from (
        select r.*
        from unnest(firsts, masks, base_ids, lasts) as g(first, mask, base_id, last)
        cross join lateral (
            select * from (
                select r.count, r.expires_at,
                       {schema}.shift_mask(g.mask, {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first), r.count)
                       & ~coalesce(r.removed, {schema}.zeros(r.count)) as hits
                from {schema}.result_segments r
                where r.count > 1 and r.task_id >= g.base_id and r.task_id <= g.last
                  and {schema}.offset_of(g.first) - {schema}.offset_of(r.task_id) < r.count
                  -- Others are not even locked: a result that is not there now does not come back.
                  and bit_count({schema}.shift_mask(g.mask, {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first), r.count)
                                & ~coalesce(r.removed, {schema}.zeros(r.count))) > 0
                for update) many
            union all
            select * from (
                select r.count, r.expires_at, B'1'::bit varying
                from {schema}.result_segments r
                where r.count = 1 and r.task_id >= g.first and r.task_id <= g.last
                  and case when {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first) between 0 and length(g.mask) - 1
                           then get_bit(g.mask, {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first)) = 1 end
                for update) one
        ) r
    ) f;

    if seen.alone then
        delete from {schema}.result_segments r
        using unnest(firsts, masks, lasts) as g(first, mask, last)
        where r.count = 1 and r.task_id >= g.first and r.task_id <= g.last
          and case when {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first) between 0 and length(g.mask) - 1
                   then get_bit(g.mask, {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first)) = 1 end;
    end if;
    if seen.in_rows then
        update {schema}.result_segments r
        set removed = coalesce(r.removed, {schema}.zeros(r.count))
                   | {schema}.shift_mask(g.mask, {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first), r.count)
        from unnest(firsts, masks, base_ids, lasts) as g(first, mask, base_id, last)
        where r.count > 1 and r.task_id >= g.base_id and r.task_id <= g.last
          and {schema}.offset_of(g.first) - {schema}.offset_of(r.task_id) < r.count
          and bit_count({schema}.shift_mask(g.mask, {schema}.offset_of(r.task_id) - {schema}.offset_of(g.first), r.count)
                        & ~coalesce(r.removed, {schema}.zeros(r.count))) > 0;
        delete from {schema}.result_segments r
        using unnest(base_ids, lasts) as g(base_id, last)
        where r.count > 1 and r.task_id >= g.base_id and r.task_id <= g.last and bit_count(r.removed) = r.count;
    end if;
    return seen.live;
end
{body};

-- Stores results inside the user's transaction: `results` is an array of {task_id, status, codec, error, queue, func, worker, attempt, metadata,
-- enqueued_at, started_at, finished_at, ttl in seconds, step in seconds of its partitions}, "values" has the value of each. Earlier results
-- of the tasks in `again` are removed; null: of all of them. Until the transaction ends it locks these rows, to which single_out_results.sql has
-- given one result each, and nothing else: of two results that two sessions store for one task at the same time, both rows can stay, and the
-- one that finished later is read.
create function {schema}.store_results(results jsonb, "values" bytea[], again uuid[] default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    at constant timestamptz := clock_timestamp();
    kept record;
begin
    for kept in
        select distinct (r->>'ttl')::double precision as ttl, (r->>'step')::double precision as step
        from jsonb_array_elements(results) as r
        where r->>'ttl' is not null
    loop
        -- Counted from the start of the transaction, as the function does. Most often the partition exists.
        perform {schema}.make_results_partition(at - now() + make_interval(secs => kept.ttl), make_interval(secs => kept.step));
    end loop;
    -- Each base id once, as remove_results() wants them.
    for kept in
        select array_agg(distinct a.id order by a.id) as ids
        from unnest(coalesce(again, array(select (r->>'task_id')::uuid from jsonb_array_elements(results) as r))) as a(id)
        group by {schema}.id_after(a.id, -{schema}.offset_of(a.id))
        -- In the order in which remove_results() locks.
        order by {schema}.id_after(a.id, -{schema}.offset_of(a.id))
    loop
        perform {schema}.remove_results(array[kept.ids[1]], array[(
            select string_agg(case when {schema}.id_after(kept.ids[1], p.index) = any (kept.ids) then '1' else '0' end, '' order by p.index)
            from generate_series(0, {schema}.offset_of(kept.ids[cardinality(kept.ids)]) - {schema}.offset_of(kept.ids[1])) as p(index)
        )::bit varying]);
    end loop;
    insert into {schema}.result_segments (
        task_id, status, codec, "values", error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select (r.result->>'task_id')::uuid, r.result->>'status', r.result->>'codec', 
           -- By its codec: a session's array_nulls may have made a text of a null.
           array[case when r.result->>'codec' is not null then store_results."values"[r.place] end],
           (r.result->>'error')::jsonb, r.result->>'queue', r.result->>'func', r.result->>'worker', (r.result->>'attempt')::integer,
           (r.result->>'metadata')::jsonb, (r.result->>'enqueued_at')::timestamptz, (r.result->>'started_at')::timestamptz,
           (r.result->>'finished_at')::timestamptz,
           coalesce(at + make_interval(secs => (r.result->>'ttl')::double precision), 'infinity')
    from jsonb_array_elements(results) with ordinality as r(result, place)
    order by r.place;
    if {schema}.has_waits('') then
        perform {schema}.ring(array(select (r->>'task_id')::uuid from jsonb_array_elements(results) as r), null);
    end if;
end
{body};
