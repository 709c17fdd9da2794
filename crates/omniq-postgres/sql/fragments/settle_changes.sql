(case f.outcome when 'complete' then {completed} when 'fail' then {dead} else case when f.delay > 0 then {scheduled} else {ready} end end)::smallint,
           t.attempt - case when f.outcome in ('release', 'snooze') then 1 else 0 end,
           case when f.outcome in ('retry_later', 'snooze')
                then clock_timestamp() + make_interval(secs => f.delay) else t.run_at end,
           case when f.outcome in ('retry_later', 'snooze') and t.expires_at is not null
                then {schema}.expiry(t.expires_at, t.run_at, t.created_at, clock_timestamp() + make_interval(secs => f.delay))
                else t.expires_at end,
           coalesce(f.error::jsonb, t.error),
           case when f.outcome in ('complete', 'fail') then clock_timestamp() end
