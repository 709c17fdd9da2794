-- $1 ago float8
-- omniq: server_time
select pg_catalog.clock_timestamp() operator(pg_catalog.-) pg_catalog.make_interval(secs => $1)
