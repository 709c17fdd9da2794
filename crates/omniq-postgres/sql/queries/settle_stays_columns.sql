,
              t.id, t.seq, t.func, t.codec, t.count, t.payloads, t.priority, t.run_at, t.expires_at, t.attempt, t.claims,
              t.max_retries, t.options, t.metadata, t.error, t.created_at
