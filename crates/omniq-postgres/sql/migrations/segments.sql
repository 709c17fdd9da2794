-- Offsets of tasks and masks of segments: for tasks and for results, whichever part is made first.
-- Functions in SQL have bodies whose names are resolved when they are made, not by the search path of a caller: docs/decisions/0024-names.md.

-- The offset of a task: the last 16 bits of its id.
create or replace function {schema}.offset_of(id uuid) returns integer
language sql immutable parallel safe
return get_byte(uuid_send(id), 14) * 256 + get_byte(uuid_send(id), 15);

-- The id whose offset is greater by `distance`.
create or replace function {schema}.id_after(id uuid, distance integer) returns uuid
language sql immutable parallel safe
return case when distance = 0 then id else (
    select encode(set_byte(set_byte(uuid_send(id), 14, o.value / 256), 15, o.value % 256), 'hex')::uuid
    from (select {schema}.offset_of(id) + distance) as o(value)) end;

-- A bitmap of `count` zeros.
create or replace function {schema}.zeros(count integer) returns bit varying
language sql immutable parallel safe
return repeat('0', count)::bit varying;

-- The bitmap without its first `distance` bits (or, if negative, behind as many zeros), cut or padded with zeros to `count` bits.
create or replace function {schema}.shift_mask(mask bit varying, distance integer, count integer) returns bit varying
language sql immutable parallel safe
return case when distance = 0 and length(mask) = count then mask
            else substring({schema}.zeros(greatest(-distance, 0)) || substring(mask from greatest(distance, 0) + 1)
                           || {schema}.zeros(count) from 1 for count)::bit varying end;
