t.state = {ready} and t.queue = q.name and t.worker is null
                      and (t.expires_at is null or t.expires_at > now())
                      and (:funcs is null or t.func = any (:funcs))
