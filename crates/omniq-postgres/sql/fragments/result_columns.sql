t.task_id, r.status, r.codec, t.value, r.error, r.queue, r.func, r.worker, r.attempt, r.metadata,
    r.enqueued_at, r.started_at, r.finished_at, nullif(r.expires_at, 'infinity')
