-- Until the end of the transaction no other transaction stores results of these tasks. :keys are those of their groups, in order.
-- params: keys bigint[]
-- locks: advisory
select pg_advisory_xact_lock(k.key) from unnest(:keys) as k(key)
