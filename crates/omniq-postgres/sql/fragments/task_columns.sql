t.id, t.seq, t.count, t.removed, t.payloads, t.state, t.run_at, t.expires_at, t.attempt, t.claims, t.error, t.claimed_at, t.worker,
    {shared_columns}
