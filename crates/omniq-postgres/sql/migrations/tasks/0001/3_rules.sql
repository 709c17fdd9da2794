-- Errors, and when a task expires.

-- Raises an error with one of OmniQ's SQLSTATEs. It is given as the constraint as well, for drivers that do not pass SQLSTATEs on.
create function {schema}.refuse(code text, message text, hint text default null) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as {body}
begin
    if hint is null then
        raise exception using errcode = code, constraint = code, message = message;
    end if;
    raise exception using errcode = code, constraint = code, message = message, hint = hint;
end
{body};

-- When a task expires that starts again at this time: its time to live counts from the later of creation and start. It fails for no input: a
-- bad time, such as infinity, that another program has written must not fail the statement that settles many.
create function {schema}.expiry(expires_at timestamptz, run_at timestamptz, created_at timestamptz, start timestamptz)
returns timestamptz language sql immutable
begin atomic
    select case when isfinite(expires_at) and isfinite(greatest(run_at, created_at)) and isfinite(start)
                then start + least(greatest(expires_at - greatest(run_at, created_at), interval '-200 years'), interval '200 years')
                else expires_at end;
end;

create function {schema}.expiry(task {schema}.tasks, start timestamptz) returns timestamptz
language sql immutable
begin atomic
    select {schema}.expiry(task.expires_at, task.run_at, task.created_at, start);
end;
