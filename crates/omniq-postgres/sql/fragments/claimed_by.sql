worker = :worker, attempt = least(greatest(t.attempt, 0), 2147483646) + 1,
        claims = least(greatest(t.claims, 0), 2147483646) + 1, claimed_at = clock_timestamp()