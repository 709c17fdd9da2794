(r.expires_at is null or r.expires_at > now())
