-- How long statements of this session wait for what others hold.
select pg_catalog.set_config('lock_timeout', $1, false)
