, stored as (
    insert into {schema}.results (
        task_id, status, codec, value, error, queue, func, worker, attempt, metadata,
        enqueued_at, started_at, finished_at, expires_at)
    select r.task_id, ($22::text[])[r.shape], ($23::text[])[r.shape], r.value, r.error::jsonb, ($24::text[])[r.shape],
           ($25::text[])[r.shape], ($26::text[])[r.shape], ($27::integer[])[r.shape], r.metadata::jsonb,
           r.enqueued_at, r.started_at, r.finished_at,
           coalesce(clock_timestamp() + make_interval(secs => ($28::double precision[])[r.shape]), 'infinity')
    from unnest($12::integer[], $13::integer[], $14::uuid[], $15::integer[], $16::bytea[], $17::text[], $18::text[],
                $19::timestamptz[], $20::timestamptz[], $21::timestamptz[])
         as r(no, place, task_id, shape, value, error, metadata, enqueued_at, started_at, finished_at)
    join done d on d.no = r.no and {settle_done}
    where not d.again or {schema}.forget_result(r.task_id)
)
