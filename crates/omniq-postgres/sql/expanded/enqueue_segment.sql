-- $1 id uuid
-- $2 queue text
-- $3 func text
-- $4 codec text
-- $5 payloads bytea[]
-- $6 priority int2
-- $7 max_retries int4
-- $8 run_at text
-- $9 delay float8
-- $10 ttl float8
-- $11 options text
-- $12 metadata text
-- omniq: enqueue_segment
with start as not materialized (
    select coalesce($8::timestamptz, statement_timestamp() + make_interval(secs => $9), statement_timestamp()) as at
), deltas as (
    -- Not from what the insert returns, because a role that may enqueue need not be able to read.
    insert into "omniq".count_deltas (queue, ready, scheduled)
    select $2, case when s.at <= statement_timestamp() then cardinality($5) end,
           case when s.at > statement_timestamp() then cardinality($5) end
    from start s
)
insert into "omniq".tasks (
    id, queue, func, codec, payloads, count, priority, max_retries, state, run_at, created_at, expires_at, options, metadata)
select $1, $2, $3, $4, $5, cardinality($5), $6, $7,
       case when s.at <= statement_timestamp() then 1 else 0 end,
       s.at, statement_timestamp(), greatest(s.at, statement_timestamp()) + make_interval(secs => $10), $11::jsonb,
       $12::jsonb
from start s
returning case when "omniq".has_listener($2) then pg_notify('omniq_092ce6ae226869cf', $2) end
