-- Ends of tasks ring those who wait for them: for tasks and for results, whichever part is made first. docs/decisions/0048-results-by-push.md.

-- Whether some process waits: for any task, with an empty name; with * for more tasks than it takes locks for; with a base id for tasks of
-- that. The listening connection of each process holds shared locks for these, as listeners do. Only then an ended task notifies.
-- The setting omniq.notify = off suppresses notifications.
create or replace function {schema}.has_waits(name text) returns boolean
language sql volatile
begin atomic
    select case when current_setting('omniq.notify', true) = 'off' then false
                when not pg_try_advisory_lock(hashtext({channel} || ' ends'), hashtext(name)) then true
                else not pg_advisory_unlock(hashtext({channel} || ' ends'), hashtext(name)) end;
end;

-- Tells those who wait that tasks have ended. The tasks are in groups within a base id: the first, and a mask that begins there; null: that
-- one alone. A notification names the base id, then the tasks by their offset, or by an offset and a mask. Returns how many were sent.
-- Call it if has_waits(''), in a transaction that has changed tasks or results: so who begins to wait sees that it may not ring.
create or replace function {schema}.ring(firsts uuid[], masks bit varying[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    everywhere constant boolean := {schema}.has_waits('*');
    task uuid;
    base_id uuid;
    sent bigint := 0;
begin
    -- Few lone tasks: the statement below takes a millisecond.
    if cardinality(firsts) <= 20 and not exists (select from unnest(masks) as m(mask) where length(m.mask) > 1) then
        foreach task in array firsts loop
            base_id := {schema}.id_after(task, -{schema}.offset_of(task));
            if everywhere or {schema}.has_waits(base_id::text) then
                perform pg_notify({channel} || '_ends', base_id || ' ' || to_hex({schema}.offset_of(task)));
                sent := sent + 1;
            end if;
        end loop;
        return sent;
    end if;
    return (
        with ended as materialized (
            select {schema}.id_after(e.first, -{schema}.offset_of(e.first)) as base, {schema}.offset_of(e.first) as low,
                   coalesce(e.mask, B'1') as mask
            from unnest(firsts, masks) as e(first, mask)
        ), waited as materialized (
            select b.base from (select distinct e.base from ended e) b
            where everywhere or {schema}.has_waits(b.base::text)
        ), entries as (
            select e.base, e.low + p.at as low,
                   ' ' || to_hex(e.low + p.at) || case when length(e.mask) > 1 then ':' || c.piece::text else '' end as entry
            from ended e
            join waited w on w.base = e.base
            -- A notification holds 8,000 bytes: two such pieces do not fill it.
            cross join lateral generate_series(0, length(e.mask) - 1, 3000) as p(at)
            cross join lateral (select substring(e.mask from p.at + 1 for 3000) as piece) c
            where bit_count(c.piece) > 0
        )
        select count(pg_notify({channel} || '_ends', n.base || n.entries))
        from (
            select s.base, string_agg(s.entry, '' order by s.low) as entries
            from (
                select t.*, (sum(length(t.entry)) over (partition by t.base order by t.low rows unbounded preceding)
                             - length(t.entry)) / 4000 as part
                from entries t
            ) s
            group by s.base, s.part
        ) n
    );
end
{body};
