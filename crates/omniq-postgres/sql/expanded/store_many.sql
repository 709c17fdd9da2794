-- $1 ids uuid[]
-- $2 shapes int4[]
-- $3 values bytea[]
-- $4 errors text[]
-- $5 metadata text[]
-- $6 enqueued timestamptz[]
-- $7 started timestamptz[]
-- $8 finished timestamptz[]
-- $9 statuses text[]
-- $10 codecs text[]
-- $11 queues text[]
-- $12 funcs text[]
-- $13 workers text[]
-- $14 attempts int4[]
-- $15 ttls float8[]
-- omniq: store_many
with stored as (
    insert into "omniq".result_segments (
        task_id, status, codec, "values", error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select distinct on (r.task_id)
           r.task_id, $9[r.shape], $10[r.shape], array[r.value], r.error::jsonb, $11[r.shape],
           $12[r.shape], $13[r.shape], $14[r.shape], r.metadata::jsonb,
           r.enqueued_at, r.started_at, r.finished_at,
           coalesce(clock_timestamp() + make_interval(secs => $15[r.shape]), 'infinity')
    from unnest($1, $2, $3, $4, $5, $6, $7,
                $8)
         with ordinality
         as r(task_id, shape, value, error, metadata, enqueued_at, started_at, finished_at, ord)
    order by r.task_id, r.ord desc
)
select case when "omniq".has_waits('') then "omniq".ring($1, null) end
