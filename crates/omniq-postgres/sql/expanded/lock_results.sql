-- $1 keys int8[]
-- omniq: lock_results
select pg_advisory_xact_lock(k.key) from unnest($1) as k(key)
