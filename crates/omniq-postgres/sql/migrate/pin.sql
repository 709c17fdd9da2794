-- What migrations are read by, whatever the session's settings are: names are resolved in PostgreSQL's own schema, or are written out.
set local search_path = pg_catalog, pg_temp;
set local standard_conforming_strings = on;
set local array_nulls = on;
set local check_function_bodies = on
