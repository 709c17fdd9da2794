r.expires_at > now()
