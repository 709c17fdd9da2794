-- A schema of the caller's with a twin of each of PostgreSQL's functions, operators and types that can have one. Whatever calls one of them
-- says so. It is to stand before pg_catalog in the caller's path.
create schema hostile;
do $do$
declare
    f record;
begin
    for f in
        select distinct on (p.proname, args.types) p.proname, args.types, p.proretset,
               pg_catalog.format_type(p.prorettype, null) as result
        from pg_proc p
        cross join lateral (
            select coalesce(string_agg(pg_catalog.format_type(a.type, null), ', ' order by a.place), '') as types
            from unnest(p.proargtypes) with ordinality as a(type, place)) args
        join pg_type r on r.oid = p.prorettype
        where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind in ('f', 'a', 'w')
          and (r.typtype <> 'p' or r.typname in ('void', 'record'))
          and not exists (select from unnest(p.proargtypes) a join pg_type t on t.oid = a where t.typtype = 'p')
    loop
        execute format('create function hostile.%I(%s) returns %s %s language plpgsql as %L',
                       f.proname, f.types, case when f.proretset then 'setof' end, f.result,
                       format('begin raise exception ''captured: function %s''; end', replace(f.proname, '''', '')));
    end loop;
    for f in
        select o.oprname, pg_catalog.format_type(o.oprleft, null) as lefts, pg_catalog.format_type(o.oprright, null) as rights,
               o.oprleft <> 0 as two, p.proname
        from pg_operator o
        join pg_proc p on p.oid = o.oprcode
        where o.oprnamespace = 'pg_catalog'::regnamespace
          and to_regprocedure(format('hostile.%I(%s)', p.proname,
              concat_ws(', ', case when o.oprleft <> 0 then pg_catalog.format_type(o.oprleft, null) end,
                        pg_catalog.format_type(o.oprright, null)))) is not null
    loop
        execute format('create operator hostile.%s (%s rightarg = %s, function = hostile.%I)', f.oprname,
                       case when f.two then format('leftarg = %s,', f.lefts) end, f.rights, f.proname);
    end loop;
    -- Twins of what takes any type.
    execute $$
        create function hostile.unnest(uuid[]) returns setof uuid language plpgsql as 'begin raise exception ''captured: unnest''; end';
        create function hostile.array_position(uuid[], uuid) returns integer language plpgsql
        as 'begin raise exception ''captured: array_position''; end';
        create function hostile.format(pg_catalog.text, pg_catalog.text) returns pg_catalog.text language plpgsql
        as 'begin raise exception ''captured: format''; end';
        create function hostile.json_build_object(pg_catalog.text, integer) returns json language plpgsql
        as 'begin raise exception ''captured: json_build_object''; end'
    $$;
    -- Last, as the statements above would meet them.
    for f in
        select t.typname from pg_type t
        where t.typnamespace = 'pg_catalog'::regnamespace and t.typname in (
            'text', 'uuid', 'bytea', 'jsonb', 'json', 'name', 'timestamptz', 'xid8', 'oid', 'regclass', 'tid', 'pg_snapshot',
            'int2', 'int4', 'int8', 'float8', 'bool', 'varbit', 'interval', 'numeric')
    loop
        execute format('create function hostile.caught(value pg_catalog.%I) returns boolean language plpgsql as %L', f.typname,
                       format('begin raise exception ''captured: type %s''; end', f.typname));
        execute format('create domain hostile.%1$I as pg_catalog.%1$I check (hostile.caught(value))', f.typname);
    end loop;
end
$do$;
