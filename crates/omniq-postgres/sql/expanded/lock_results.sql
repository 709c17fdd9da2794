-- $1 keys int8[]
-- $2 patience text
-- omniq: lock_results
select pg_advisory_xact_lock(k.key) from unnest($1) as k(key)
where (select set_config('lock_timeout', $2, true)) is not null
