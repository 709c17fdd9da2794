-- The database of this session, by its name, and its server, by the time when it began: two servers, and a server and its copy, differ in it.
(select cast(pg_catalog.current_database() as pg_catalog.text) as database,
        cast(extract(epoch from pg_catalog.pg_postmaster_start_time()) as pg_catalog.text) as server) here
