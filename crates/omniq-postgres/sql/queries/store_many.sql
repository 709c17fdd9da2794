-- Stores results, one in a row; of two for one task the later one counts. For each result $1 id, $2 which of the shapes it has, $3 value,
-- $4 error, $5 metadata, $6 to $8 times; for each shape $9 status, $10 codec, $11 queue, $12 function, $13 worker, $14 attempt,
-- $15 seconds to live. Before it in the same transaction the tasks' groups are locked and earlier results removed, by
-- lock_results.sql and delete_results.sql.
insert into {schema}.result_segments (
    task_id, status, codec, "values", error, queue, func, worker, attempt, metadata,
    enqueued_at, started_at, finished_at, expires_at)
select distinct on (r.task_id)
       r.task_id, ($9::text[])[r.shape], ($10::text[])[r.shape], array[r.value], r.error::jsonb, ($11::text[])[r.shape],
       ($12::text[])[r.shape], ($13::text[])[r.shape], ($14::integer[])[r.shape], r.metadata::jsonb,
       r.enqueued_at, r.started_at, r.finished_at,
       coalesce(clock_timestamp() + make_interval(secs => ($15::double precision[])[r.shape]), 'infinity')
from unnest($1::uuid[], $2::integer[], $3::bytea[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[])
     with ordinality
     as r(task_id, shape, value, error, metadata, enqueued_at, started_at, finished_at, ord)
order by r.task_id, r.ord desc
