-- Which process of the server answers: behind a pooler another one from time to time.
select pg_catalog.pg_backend_pid()
