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
-- omniq: enqueue_one
with start as not materialized (
    select coalesce($8::timestamptz, statement_timestamp() + make_interval(secs => $9), statement_timestamp()) as at
), handed as materialized (
    -- Null: the queue has no listener.
    select case when "omniq".has_listener($2) then s.at <= statement_timestamp()
                and "omniq".hand_off($1, $2, $3, $4, ($5)[1], $6, $7, $10, $11::jsonb,
                                      $12::jsonb) end as over
    from start s
), deltas as (
    insert into "omniq".count_deltas (queue, ready, scheduled)
    select $2, case when s.at <= statement_timestamp() then 1 end, case when s.at > statement_timestamp() then 1 end
    from start s, handed h
    where h.over is not true
)
insert into "omniq".tasks (
    id, queue, func, codec, payloads, priority, max_retries, state, run_at, created_at, expires_at, options, metadata)
select $1, $2, $3, $4, $5, $6, $7,
       case when s.at <= statement_timestamp() then 1 else 0 end,
       s.at, statement_timestamp(), greatest(s.at, statement_timestamp()) + make_interval(secs => $10), $11::jsonb,
       $12::jsonb
from start s, handed h
where h.over is not true
returning case when (select not h.over from handed h) then pg_notify('omniq_092ce6ae226869cf', $2) end
