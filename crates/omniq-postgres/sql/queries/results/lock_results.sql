-- Until the end of the transaction no other transaction stores results of these tasks, except one of the user. :keys are those of their groups,
-- in order. From here on the transaction waits for a lock at most for :patience, in milliseconds: a user's open transaction may hold the row of
-- an earlier result.
-- params: keys bigint[], patience text
-- locks: advisory
select pg_advisory_xact_lock(k.key) from unnest(:keys) as k(key)
where (select set_config('lock_timeout', :patience, true)) is not null
