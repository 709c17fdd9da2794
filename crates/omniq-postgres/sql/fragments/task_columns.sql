t.id, t.seq, t.queue, t.func, t.codec, t.count, t.removed, t.payloads, t.priority, t.state, t.run_at, t.expires_at, t.attempt,
    t.claims, t.max_retries, t.options, t.metadata, t.error, t.created_at, t.claimed_at, t.worker
