-- How long statements of this transaction wait for what others hold.
select pg_catalog.set_config('lock_timeout', $1, true)
