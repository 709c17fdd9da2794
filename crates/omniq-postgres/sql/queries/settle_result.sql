, stored as (
    insert into {schema}.results (
        task_id, status, codec, value, error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select r.task_id, r.status, r.codec, r.value, r.error::jsonb, r.queue, r.func, r.worker, r.attempt,
           r.metadata::jsonb, r.enqueued_at, r.started_at, r.finished_at,
           clock_timestamp() + make_interval(secs => r.ttl)
    from unnest($12::bigint[], $13::integer[], $14::uuid[], $15::text[], $16::text[], $17::bytea[], $18::text[], $19::text[],
                $20::text[], $21::text[], $22::integer[], $23::text[], $24::timestamptz[], $25::timestamptz[],
                $26::timestamptz[], $27::double precision[])
         as r(no, place, task_id, status, codec, value, error, queue, func, worker, attempt, metadata,
              enqueued_at, started_at, finished_at, ttl)
    join done d on d.no = r.no and {settle_done}
    {result_conflict}
)
