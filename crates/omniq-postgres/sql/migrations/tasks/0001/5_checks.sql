-- The rules of a task, checked where another client than the library writes.

-- Refuses JSON that a reader with 64-bit numbers and bounded depth cannot read, or would change. `exact`: a number without a fraction must
-- be an integer of 64 bits.
create function {schema}.check_json(what text, given jsonb, exact boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    odd text;
begin
    if jsonb_path_exists(given, 'strict $.**{127 to last} ? (@.type() == "array" || @.type() == "object")') then
        perform {schema}.refuse('OQ002', format('%s is nested too deep', what), 'At most 127 levels can be read.');
    end if;
    select n.number into odd
    from (select v #>> '{}' from jsonb_path_query(given, 'strict $.** ? (@.type() == "number")') as v) as n(number)
    where case when exact and n.number !~ '[.]'
               then n.number::numeric not between -9223372036854775808 and 18446744073709551615
               else abs(n.number::numeric) > 1.7976931348623157e308 end
    limit 1;
    if found then
        perform {schema}.refuse('OQ002', format('%s holds the number %s, which is out of range', what,
                case when length(odd) > 40 then left(odd, 40) || '...' else odd end),
            'Integers have 64 bits, other numbers those of double precision: write it as a string.');
    end if;
end
{body};

-- The rules of a task: those of the library, which could not settle what it would refuse itself, and those that the statements rely on, such
-- as the length of arrays and bitmaps. A trigger, not constraints, which each writing statement would read and prepare (measured: 30
-- microseconds) although the library has checked before. In the library's sessions it does not fire: docs/decisions/0019-checks-by-trigger.md.
create function {schema}.check_task() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    -- The rule, and the message.
    broken constant text[] := case
        when octet_length(new.queue) not between 1 and 128
            then array['queue_name_length', format('the queue name has %s bytes: 1 to 128 are allowed', octet_length(new.queue))]
        when octet_length(new.func) not between 1 and 128
            then array['func_name_length', format('the function name has %s bytes: 1 to 128 are allowed', octet_length(new.func))]
        when new.queue || new.func ~ e'[\\u0001-\\u001f\\u007f-\\u009f]'
            then array['names_without_control_characters', 'a queue or function name holds a control character: leave it out']
        when not (new.codec in ('json', 'msgpack', 'raw', 'pickle', 'dill') or new.codec ~ '^x-[a-z0-9_-]{1,30}$')
            then array['known_codec', format('codec %s is unknown: use json, msgpack, raw, pickle, dill, or x-...', left(new.codec, 40))]
        when new.max_retries not between 0 and 1000000
            then array['max_retries_range', format('max_retries = %s is out of range: give 0 to 1000000', new.max_retries)]
        when new.expires_at <= new.run_at then array['expires_after_start', 'it would expire before it starts']
        when jsonb_typeof(new.options) <> 'object' then array['options_object', 'options are no JSON object']
        when jsonb_typeof(new.metadata) <> 'object' then array['metadata_object', 'metadata is no JSON object']
        when new.count not between 1 and 65536 - {schema}.offset_of(new.id)
            then array['count_within_segment', format('a row of %s tasks is refused: the first has offset %s of 65536',
                                                  new.count, {schema}.offset_of(new.id))]
        when length(new.removed) <> new.count
            then array['removed_of_each', format('removed has %s bits for %s tasks', length(new.removed), new.count)]
        when bit_count(new.removed) = new.count
            then array['holds_a_task', 'all tasks of the row are removed: a row holds at least one']
        when new.payloads is not null and (array_ndims(new.payloads) is distinct from 1 or array_lower(new.payloads, 1) <> 1
                                         or cardinality(new.payloads) <> new.count or array_position(new.payloads, null) is not null)
            then array['arguments_of_each', 'each task of a row needs arguments, none of them null: no arguments are the JSON null']
        when new.state not between 0 and 4
            then array['known_state', format('state %s is unknown: use 0 to 4', new.state)]
        when new.state = 2 and (new.count > 1 or not new.linked)
            then array['blocked_is_linked', 'a blocked task has a row of its own, and is linked']
        when new.worker is not null and new.state <> 1 then array['held_is_running', 'only tasks of state 1 are held by a worker']
        when new.attempt < 0 or new.claims < 0
            then array['counters_range', format('attempt %s or claims %s is less than 0', new.attempt, new.claims)]
        when new.seq not between -4000000000000000000 and 4000000000000000000
            then array['seq_range', format('seq %s is out of range', new.seq)]
    end;
begin
    -- A statement that only moves a row that was bad before must not fail, as it may move many.
    if broken is not null and tg_op = 'UPDATE' then
        if new.state between 0 and 4
           and (old.id, old.seq, old.queue, old.func, old.codec, old.count, old.payloads, old.removed, old.max_retries, old.options, old.metadata)
               is not distinct from
               (new.id, new.seq, new.queue, new.func, new.codec, new.count, new.payloads, new.removed, new.max_retries, new.options, new.metadata)
           and (broken[1] <> 'expires_after_start' or old.expires_at <= old.run_at) then
            return new;
        end if;
    end if;
    if broken is not null then
        raise exception using errcode = 'check_violation', schema = {schema_name}, table = 'tasks', constraint = broken[1],
            message = format('%s (rule %s)', broken[2], broken[1]);
    end if;
    -- Asked for inserts only, because a role that may enqueue need not be able to read workers. The rescue finds a worker's tasks by its row.
    if tg_op = 'INSERT' and new.worker is not null then
        if not exists (select from {schema}.workers w where w.id = new.worker) then
            raise exception using errcode = 'check_violation', schema = {schema_name}, table = 'tasks', constraint = 'known_worker',
                message = format('there is no worker %s to hold it (rule known_worker)', new.worker);
        end if;
    end if;
    return new;
end
{body};
revoke execute on function {schema}.check_task() from public;
create trigger check_task
before insert or update of id, seq, queue, func, codec, count, payloads, removed, state, max_retries, run_at, expires_at, options, metadata
on {schema}.tasks
for each row when (current_setting('omniq.direct', true) is distinct from 'on')
execute function {schema}.check_task();

-- Refuses options of a task that the library does not know, or would change.
create function {schema}.check_options(options jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    odd record;
begin
    select o.key, o.value into odd
    from jsonb_each(case when jsonb_typeof(options) = 'object' then options end) as o(key, value)
    where case
          when o.key not in ('timeout', 'backoff', 'callbacks', 'unique', 'after') then true
          when o.value = 'null' then false
          -- Checked below.
          when o.key in ('callbacks', 'unique', 'after') then false
          when o.key = 'timeout' then jsonb_typeof(o.value) <> 'number' or (o.value)::text::numeric not between 1e-9 and 3.2e9
          else jsonb_typeof(o.value) <> 'object' or exists (
              select from jsonb_each(case when jsonb_typeof(o.value) = 'object' then o.value end) as b(key, value)
              where case when b.key = 'waits' then case
                        when jsonb_typeof(b.value) <> 'array' then true
                        when jsonb_array_length(b.value) > 100 then true
                        else exists (
                            select from jsonb_array_elements(b.value) as w(wait)
                            where case when jsonb_typeof(w.wait) <> 'number' then true
                                  else w.wait::text::numeric not between 0 and 3.2e9 end) end
                    when jsonb_typeof(b.value) <> 'number' then true
                    when b.key in ('initial', 'step', 'max') then b.value::text::numeric not between 0 and 3.2e9
                    when b.key = 'factor' then b.value::text::numeric < 1
                    when b.key = 'jitter' then b.value::text::numeric not between 0 and 1
                    else true end) end
    limit 1;
    if found then
        perform {schema}.refuse('OQ002', format('option %s = %s is refused', odd.key, left(odd.value::text, 40)),
            'Known are timeout, in seconds; backoff, an object of initial, step and max in seconds, factor from 1 on, jitter from 0 to 1, '
            'and waits, an array of at most 100 times in seconds; callbacks; unique; and after.');
    end if;
    if options->'callbacks' <> 'null' then
        perform {schema}.check_callbacks(options->'callbacks');
    end if;
    if options->'unique' <> 'null' then
        perform {schema}.check_unique(options->'unique');
    end if;
    if options->'after' <> 'null' then
        perform {schema}.check_after(options->'after');
    end if;
end
{body};

-- Refuses what a task runs after, if it cannot be read.
create function {schema}.check_after(given jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    odd text;
begin
    odd := case
        when jsonb_typeof(given) <> 'object' then 'it is no object'
        -- The place of the task of the call that names the same ones: enqueue_linked() looks whether it does.
        when given->'as' is not null then case
            when given - 'as' <> '{}' or jsonb_typeof(given->'as') <> 'number' or given->>'as' !~ '^[1-9][0-9]{0,8}$'
                then 'its as is not alone, or is no place of a task of the call' end
        when given - array['tasks', 'if_failed'] <> '{}' then 'it has another field'
        when jsonb_typeof(given->'tasks') is distinct from 'array' then 'its tasks are no array'
        when jsonb_array_length(given->'tasks') not between 1 and 100000 then format('it has %s tasks', jsonb_array_length(given->'tasks'))
        when exists (
            select from jsonb_array_elements(given->'tasks') as e(task)
            where case when jsonb_typeof(e.task) <> 'string' then true
                  else e.task #>> '{}' !~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' end)
            then 'one of its tasks is no UUID in its usual form'
        when coalesce(given->'if_failed' <> 'null' and (jsonb_typeof(given->'if_failed') <> 'string' or given->>'if_failed' not in ('end', 'run')), false)
            then 'its if_failed is unknown' end;
    if odd is not null then
        perform {schema}.refuse('OQ002', format('after = %s is refused: %s', left(given::text, 80), odd),
            'Give tasks, an array of 1 to 100000 ids, and if wanted if_failed (end, run); or as, the place of the task of the call that has the same.');
    end if;
end
{body};

-- Refuses what makes a task unique, if the library could not read it.
create function {schema}.check_unique(given jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    odd text;
begin
    odd := case
        when jsonb_typeof(given) <> 'object' then 'it is no object'
        when given - array['key', 'on_conflict', 'until', 'period', 'max_wait'] <> '{}' then 'it has another field'
        when jsonb_typeof(given->'key') is distinct from 'string' then 'its key is no text'
        when octet_length(given->>'key') not between 1 and 500 then format('its key has %s bytes', octet_length(given->>'key'))
        when coalesce(jsonb_typeof(given->'on_conflict') <> 'string' or given->>'on_conflict' not in ('skip', 'replace', 'reschedule', 'error'), false)
            then 'its on_conflict is unknown'
        when coalesce(given->'until' <> 'null' and (jsonb_typeof(given->'until') <> 'string' or given->>'until' not in ('start', 'end')), false)
            then 'its until is unknown'
        when exists (
            select from (values (given->'period'), (given->'max_wait')) as s(span)
            where s.span <> 'null'
              and case when jsonb_typeof(s.span) <> 'number' then true else s.span::text::numeric not between 1e-9 and 3.2e9 end)
            then 'a span of it is out of range'
        when given->'max_wait' <> 'null' and given->>'on_conflict' is distinct from 'reschedule' then 'it has max_wait, and does not reschedule' end;
    if odd is not null then
        perform {schema}.refuse('OQ002', format('unique = %s is refused: %s', left(given::text, 80), odd),
            'Give a key of 1 to 500 bytes, and if wanted on_conflict (skip, replace, reschedule, error), until (start, end), period and '
            'max_wait in seconds; max_wait with reschedule only.');
    end if;
end
{body};

-- Refuses callbacks of a task that the library could not read.
create function {schema}.check_callbacks(callbacks jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    odd jsonb;
begin
    select c.callback into odd
    from jsonb_array_elements(case when jsonb_typeof(callbacks) <> 'array' then jsonb_build_array(callbacks)
                                   when jsonb_array_length(callbacks) > 32 then jsonb_build_array(jsonb_array_length(callbacks))
                                   else callbacks end) as c(callback)
    where case
          when jsonb_typeof(c.callback) <> 'object' then true
          when c.callback - array['on', 'func', 'queue', 'priority', 'max_retries', 'backoff', 'timeout'] <> '{}' then true
          when jsonb_typeof(c.callback->'on') is distinct from 'array' then true
          when jsonb_array_length(c.callback->'on') = 0
               or not c.callback->'on' <@ '["success", "retry", "dead", "cancelled", "discarded", "expired"]' then true
          else exists (
              select from (values ('func', c.callback->'func'), ('queue', coalesce(c.callback->'queue', '"default"'))) as n(key, name)
              where case when n.name is null or jsonb_typeof(n.name) <> 'string' then true
                    else octet_length(n.name #>> '{}') not between 1 and 128 or n.name #>> '{}' ~ e'[\\u0001-\\u001f\\u007f-\\u009f]' end)
            or exists (
              select from (values (coalesce(c.callback->'priority', '0'), -32768, 32767),
                                  (coalesce(c.callback->'max_retries', '0'), 0, 1000000)) as n(number, low, high)
              where case when jsonb_typeof(n.number) <> 'number' then true
                    else n.number::text !~ '^-?[0-9]+$' or n.number::text::numeric not between n.low and n.high end) end
    limit 1;
    if found then
        perform {schema}.refuse('OQ002', format('callback %s is refused', left(odd::text, 80)),
            'Give an array of at most 32 objects: on, an array of success, retry, dead, cancelled, discarded and expired; func, a name; '
            'and if wanted queue, priority, max_retries, backoff and timeout.');
    end if;
    perform {schema}.check_options(c.callback - array['on', 'func', 'queue', 'priority', 'max_retries'])
    from jsonb_array_elements(callbacks) as c(callback);
end
{body};

-- Refuses a payload of codec json that is not JSON.
create function {schema}.check_payload(payload bytea) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
begin
    perform convert_from(payload, 'UTF8')::json;
exception when data_exception then
    perform {schema}.refuse('OQ002', format('a payload of codec json is no JSON: %s', sqlerrm),
        'Give the bytes of a JSON text in UTF-8, or the codec that it has.');
end
{body};

-- Refuses what the library could not read, or would refuse itself. Only for other clients: the library has checked its own input.
create function {schema}.check_input(
    ids uuid[], queues text[], funcs text[], codecs text[], payloads bytea[], priorities smallint[], max_retries integer[],
    run_ats timestamptz[], delays double precision[], ttls double precision[], options text[], metadata text[]
) returns void
language plpgsql set search_path = pg_catalog, pg_temp as {body}
declare
    wrong constant text := case when array_position(queues, null) is not null then 'a queue is null: give its name'
        when array_position(funcs, null) is not null then 'a func is null: give the name of the function'
        when array_position(codecs, null) is not null then 'a codec is null: give json'
        when array_position(payloads, null) is not null then 'a payload is null: no arguments are the null of JSON'
        when array_position(priorities, null) is not null then 'a priority is null: give 0'
        when array_position(max_retries, null) is not null then 'max_retries is null: give 0 to 1000000' end;
    start timestamptz;
    odd record;
begin
    select l.name, l.length into odd
    from (values ('ids', cardinality(ids)), ('funcs', cardinality(funcs)), ('codecs', cardinality(codecs)),
                 ('payloads', cardinality(payloads)), ('priorities', cardinality(priorities)),
                 ('max_retries', cardinality(max_retries)), ('run_ats', cardinality(run_ats)), ('delays', cardinality(delays)),
                 ('ttls', cardinality(ttls)), ('options', cardinality(options)), ('metadata', cardinality(metadata))) as l(name, length)
    where l.length <> cardinality(queues)
    limit 1;
    if found then
        perform {schema}.refuse('OQ002',
            format('queues has %s elements and %s has %s', cardinality(queues), odd.name, odd.length),
            'Each array has one element for each task; those of ids, run_ats, delays, ttls, options and metadata may be null.');
    end if;
    if wrong is not null then
        raise exception using errcode = 'not_null_violation', message = wrong;
    end if;
    select s.at, s.delay into odd
    from unnest(run_ats, delays) as s(at, delay)
    where s.at is not null and s.delay is not null
    limit 1;
    if found then
        perform {schema}.refuse('OQ002', format('run_at %s and delay %s s are both given', odd.at, odd.delay),
            'Give one of them; both say when the task starts.');
    end if;
    select r.at into start
    from unnest(run_ats) as r(at)
    where r.at not between '0001-01-01 00:00+00' and '9999-12-30 00:00+00' limit 1;
    if found then
        perform {schema}.refuse('OQ002', format('run_at = %s is out of range', start), 'Give a time of the years 1 to 9999.');
    end if;
    perform {schema}.check_json('options', o.given::jsonb, true), {schema}.check_options(o.given::jsonb)
    from (select distinct unnest(options)) as o(given);
    perform {schema}.check_payload(p.payload) from unnest(codecs, payloads) as p(codec, payload) where p.codec = 'json';
    perform {schema}.check_json('metadata', m.given::jsonb, true),
            case when octet_length(m.given) > 65536 then {schema}.refuse('OQ002',
                format('metadata has %s bytes: at most 65536 are allowed', octet_length(m.given))) end
    from (select distinct unnest(metadata)) as m(given);
end
{body};
