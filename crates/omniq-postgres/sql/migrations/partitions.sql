-- Partitions of {kind} by time: a table for each span, which is dropped as a whole. No row is deleted by itself, so none has to be vacuumed.
-- There is no default partition, because attaching another one would have to read it.
create table {schema}.{kind}_partitions (
    name   text primary key,
    starts timestamptz not null,
    ends   timestamptz not null
);

-- Makes the partition for the time that is `ahead` of now, unless there is one. A new one covers about one step, and fits between its
-- neighbours. With the owner's rights, because a role that writes need not be able to create tables. So partitions stay few whatever is
-- asked for: the further ahead, the wider, and each width divides the next. The caller's settings of time, tablespace and access method
-- have no effect.
create function {schema}.make_{kind}_partition(ahead interval, step interval) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO' set timezone = 'UTC'
set default_tablespace = '' set default_table_access_method = 'heap' set lock_timeout = '1s' as {body}
declare
    at constant timestamptz := now() + ahead;
    hours integer := 1;
    start timestamptz;
    finish timestamptz;
    part text;
begin
    if exists (select from {schema}.{kind}_partitions p where p.starts <= at and p.ends > at) then
        -- A commit is visible before other sessions know of the new partition, and they would not find it yet. Its lock is held until they do.
        -- The lock taken here is released at once, because the caller's transaction may last and must not block the next partition.
        begin
            lock table {schema}.{kind}_partitions in row exclusive mode;
            raise exception using errcode = 'OQ006';
        exception when sqlstate 'OQ006' or lock_not_available then
            return false;
        end;
    end if;
    if (step between interval '1 hour' and interval '20 years' and ahead between interval '0' and interval '200 years') is not true then
        raise exception using errcode = 'invalid_parameter_value',
            message = format('a partition %s ahead with a step of %s is out of range', ahead, step),
            hint = 'It can lie 0 to 200 years ahead, with a step of an hour to 20 years.';
    end if;
    while hours * interval '1 hour' < greatest(step, ahead / 16) loop
        hours := case hours when 8 then 24 else 2 * hours end;
    end loop;
    begin
        -- One session at a time; after the wait it looks again. If the partition exists by then, the lock is released as well.
        lock table {schema}.{kind}_partitions in share row exclusive mode;
        if exists (select from {schema}.{kind}_partitions p where p.starts <= at and p.ends > at) then
            raise exception using errcode = 'OQ006';
        end if;
        start := date_bin(hours * interval '1 hour', at, '2000-01-01 00:00+00');
        finish := start + hours * interval '1 hour';
        start := greatest(start, (select max(p.ends) from {schema}.{kind}_partitions p where p.ends <= at));
        finish := least(finish, (select min(p.starts) from {schema}.{kind}_partitions p where p.starts > at));
        part := '{kind}_' || to_char(start at time zone 'UTC', 'YYYYMMDD_HH24MI');
        -- Attached, not created as a partition, which would wait for all readers and writers.
        execute format(
            'create table %I.%I (like %I.{table} including defaults including constraints including indexes including storage)'
            ' with (autovacuum_vacuum_insert_threshold = -1)',
            {schema_name}, part, {schema_name});
        execute format('alter table %I.%I replica identity full', {schema_name}, part);
        execute format('alter table %I.{table} attach partition %I.%I for values from (%L) to (%L)',
                       {schema_name}, {schema_name}, part, start, finish);
        insert into {schema}.{kind}_partitions values (part, start, finish);
    exception
        when sqlstate 'OQ006' then return false;
        -- A transaction that keeps its first snapshot does not see newer rows of {kind}_partitions; its inserts find the partition.
        when duplicate_table or invalid_object_definition or unique_violation then return false;
    end;
    return true;
end
{body};

-- Drops the oldest partition that ended at least this long ago. Answers whether there was one. One in each call, because it blocks other
-- sessions until its transaction ends. It does not wait for readers: a partition in use is dropped by a later call.
create function {schema}.drop_{kind}_partition(since interval) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as {body}
declare
    part text;
begin
    delete from {schema}.{kind}_partitions p
    where p.name = (
        select o.name from {schema}.{kind}_partitions o
        where o.ends <= now() - greatest(since, interval '0')
        order by o.ends limit 1 for update skip locked)
    returning p.name into part;
    if part is null then
        return false;
    end if;
    execute format('drop table if exists %I.%I', {schema_name}, part);
    return true;
exception when lock_not_available then
    return false;
end
{body};
-- Functions with the owner's rights are granted one by one.
revoke execute on function {schema}.make_{kind}_partition(interval, interval), {schema}.drop_{kind}_partition(interval) from public;
