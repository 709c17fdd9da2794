on conflict (task_id) do update
set status = excluded.status, codec = excluded.codec, value = excluded.value, error = excluded.error,
    queue = excluded.queue, func = excluded.func, worker = excluded.worker, attempt = excluded.attempt,
    metadata = excluded.metadata, enqueued_at = excluded.enqueued_at, started_at = excluded.started_at,
    finished_at = excluded.finished_at, expires_at = excluded.expires_at
