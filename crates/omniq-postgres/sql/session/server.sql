-- Which server it is, and what has become of what the session asked for at its start.
select pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
       coalesce(pg_catalog.current_setting('omniq.session', true), '')
