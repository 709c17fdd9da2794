-- The sleeper is awake.
delete from {schema}.sleepers where id = $1
