-- Stores results, each in place of an earlier one of the same task; of two for one task the later one counts.
insert into {schema}.results (
    task_id, status, codec, value, error, queue, func, worker, attempt, metadata,
    enqueued_at, started_at, finished_at, expires_at)
select distinct on (r.task_id)
       r.task_id, r.status, r.codec, r.value, r.error::jsonb, r.queue, r.func, r.worker, r.attempt,
       r.metadata::jsonb, r.enqueued_at, r.started_at, r.finished_at,
       clock_timestamp() + make_interval(secs => r.ttl)
from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::integer[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
            $14::double precision[])
     with ordinality
     as r(task_id, status, codec, value, error, queue, func, worker, attempt, metadata,
          enqueued_at, started_at, finished_at, ttl, place)
order by r.task_id, r.place desc
{result_conflict}
