t.state = 1 and t.queue = q.name and t.worker is null
                      and (t.expires_at is null or t.expires_at > now())
                      and ($4::text[] is null or t.func = any ($4))
