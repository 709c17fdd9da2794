-- Which process of the server answers, and the last statement of another one of this role.
-- $1: the other process, null for none.
select pg_catalog.pg_backend_pid(),
    (select a.query from pg_catalog.pg_stat_activity a where a.pid operator(pg_catalog.=) $1)
