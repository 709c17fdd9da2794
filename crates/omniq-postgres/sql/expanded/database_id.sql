-- omniq: database_id
select here.database, here.server from -- The identity of the database of this session: its name, and the time when its server started, which no two servers share, not even a
-- server and its copy.
(select cast(pg_catalog.current_database() as pg_catalog.text) as database,
        cast(extract(epoch from pg_catalog.pg_postmaster_start_time()) as pg_catalog.text) as server) here
