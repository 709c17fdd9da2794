, stored as (
    insert into {schema}.results (
        task_id, status, codec, value, error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select r.task_id, r.status, r.codec, r.value, r.error::jsonb, r.queue, r.func, r.worker, r.attempt,
           r.metadata::jsonb, r.enqueued_at, r.started_at, r.finished_at,
           clock_timestamp() + make_interval(secs => r.ttl)
    from unnest($9::uuid[], $10::text[], $11::text[], $12::bytea[], $13::text[], $14::text[], $15::text[], $16::text[],
                $17::integer[], $18::text[], $19::timestamptz[], $20::timestamptz[], $21::timestamptz[],
                $22::double precision[])
         as r(task_id, status, codec, value, error, queue, func, worker, attempt, metadata,
              enqueued_at, started_at, finished_at, ttl)
    join done d on d.id = r.task_id
    {result_conflict}
)
