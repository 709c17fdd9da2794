-- Places of tasks in their runs: for tasks and for results, whichever part comes first.
-- Functions in SQL have bodies whose names are resolved here, once, and not by the path of each caller: docs/decisions/0024-names.md.

-- A task's place: the last 16 bits of its id.
create or replace function {schema}.place(id uuid) returns integer
language sql immutable parallel safe
return get_byte(uuid_send(id), 14) * 256 + get_byte(uuid_send(id), 15);

-- The id of the task that stands so many places behind this one.
create or replace function {schema}.id_behind(id uuid, places integer) returns uuid
language sql immutable parallel safe
return case when places = 0 then id else (
    select encode(set_byte(set_byte(uuid_send(id), 14, p.place / 256), 15, p.place % 256), 'hex')::uuid
    from (select {schema}.place(id) + places) as p(place)) end;

-- So many zeros.
create or replace function {schema}.zeros(count integer) returns bit varying
language sql immutable parallel safe
return repeat('0', count)::bit varying;

-- Marks as seen from another place: those of a run of so many tasks that begins that many places later (or, if negative, earlier).
create or replace function {schema}.marks_from(marks bit varying, places integer, count integer) returns bit varying
language sql immutable parallel safe
return case when places = 0 and length(marks) = count then marks
            else substring({schema}.zeros(greatest(-places, 0)) || substring(marks from greatest(places, 0) + 1)
                           || {schema}.zeros(count) from 1 for count)::bit varying end;
