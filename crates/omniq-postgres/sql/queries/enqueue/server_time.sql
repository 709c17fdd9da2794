-- The server's clock, this many seconds ago.
-- params: ago double precision
-- read only
select pg_catalog.clock_timestamp() operator(pg_catalog.-) pg_catalog.make_interval(secs => :ago)
